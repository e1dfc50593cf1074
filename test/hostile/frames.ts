import { encodeFields, type Field } from "./hpack.ts";

/** The types of HTTP/2's frames (RFC 9113). */
export const FRAME = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const END_STREAM = 1;
export const END_HEADERS = 4;
export const ACK = 1;

export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** The identifiers of SETTINGS. */
export const SETTING = { tableBytes: 1, initialWindow: 4, frameBytes: 5 } as const;

/** HTTP/2's error codes by number. */
export const ERROR_CODES = (
  "NO_ERROR PROTOCOL_ERROR INTERNAL_ERROR FLOW_CONTROL_ERROR SETTINGS_TIMEOUT STREAM_CLOSED " +
  "FRAME_SIZE_ERROR REFUSED_STREAM CANCEL COMPRESSION_ERROR CONNECT_ERROR ENHANCE_YOUR_CALM " +
  "INADEQUATE_SECURITY HTTP_1_1_REQUIRED"
).split(" ");

/** A frame as bytes. */
export function toFrame(
  type: number,
  flags: number,
  stream: number,
  payload: Uint8Array = Buffer.of(),
): Buffer {
  const bytes = Buffer.allocUnsafe(9 + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(stream, 5);
  bytes.set(payload, 9);
  return bytes;
}

/** HEADERS, whole. */
export function toHeaders(stream: number, fields: readonly Field[], flags = 0): Buffer {
  return toFrame(FRAME.headers, END_HEADERS | flags, stream, encodeFields(fields));
}

export function toReset(stream: number, code: number): Buffer {
  return toFrame(FRAME.reset, 0, stream, toWord(code));
}

export function toWindowUpdate(stream: number, bytes: number): Buffer {
  return toFrame(FRAME.windowUpdate, 0, stream, toWord(bytes));
}

export function toSettings(settings: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(settings.length * 6);
  settings.forEach(([id, value], index) => {
    payload.writeUInt16BE(id, index * 6);
    payload.writeUInt32BE(value, index * 6 + 2);
  });
  return toFrame(FRAME.settings, 0, 0, payload);
}

/** Bytes as DATA frames of so many bytes each. */
export function toData(stream: number, bytes: Uint8Array, frameBytes: number): Buffer {
  const count = Math.ceil(bytes.length / frameBytes);
  const all = Buffer.allocUnsafe(bytes.length + 9 * count);
  let at = 0;
  for (let from = 0; from < bytes.length; from += frameBytes) {
    const part = bytes.subarray(from, from + frameBytes);
    all.writeUIntBE(part.length, at, 3);
    all.writeUInt16BE(FRAME.data << 8, at + 3);
    all.writeUInt32BE(stream, at + 5);
    all.set(part, at + 9);
    at += 9 + part.length;
  }
  return all;
}

function toWord(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
