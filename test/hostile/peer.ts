import { once } from "node:events";
import * as net from "node:net";
import { type Answer, type Received, toAnswer } from "./answers.ts";
import {
  ACK,
  END_HEADERS,
  END_STREAM,
  ERROR_CODES,
  FRAME,
  PREFACE,
  SETTING,
  toData,
  toFrame,
  toHeaders,
  toReset,
  toSettings,
  toWindowUpdate,
} from "./frames.ts";
import { ATTACKER } from "./http1.ts";
import { decodeFields, type Field } from "./hpack.ts";

/** A stream of a peer. */
export type Stream = {
  readonly id: number;
  /**
   * Sends a body, or a part of it, in frames of so many bytes (16,384), as fast as the server's windows let
   * it. Resolves when it is sent or when nobody will read the rest.
   */
  send(bytes: Uint8Array, options?: { readonly frameBytes?: number; readonly end?: boolean }): Promise<void>;
  /** Gives the stream up, with CANCEL if nothing else is said. */
  reset(code?: number): void;
  /** What the stream was answered, as soon as it has ended in this direction. Never rejects. */
  readonly answer: Promise<Answer>;
  /** All that has arrived by now. */
  received(): Received;
};

/** One end of a connection of HTTP/2 that does as it likes. Disposal destroys it. */
export type Peer = Disposable & {
  /** Opens a stream by its headers; with `end` there is no body. */
  open(fields: readonly Field[], options?: { readonly end?: boolean }): Stream;
  /** Writes bytes as they are. Resolves when the socket takes more, or is closed. */
  write(bytes: Uint8Array): Promise<void>;
  isOpen(): boolean;
  /** How the server closed the connection: `GOAWAY …` or `CLOSED`; `UNANSWERED` if this end has. */
  readonly closed: Promise<Answer>;
};

export const WINDOW_MAX = 2 ** 31 - 1;
const CANCEL = 8;
/** Of an answer's body so much is kept: what is longer is no error. */
const BODY_BYTES_MAX = 2 ** 20;
/** So many bytes are made into frames at once. */
const BATCH_BYTES = 65_536;

type Open = {
  readonly fields: Field[];
  readonly body: Buffer[];
  bodyBytes: number;
  window: number;
  readonly answer: PromiseWithResolvers<Answer>;
};

/** Connects, and begins HTTP/2. `window`: how many bytes of each answer the server may send. */
export async function connectPeer(port: number, { window = WINDOW_MAX } = {}): Promise<Peer> {
  const socket = net.connect({ port, host: "127.0.0.1", noDelay: true, ...ATTACKER });
  socket.on("error", () => {});
  // Each stream that sends waits for it.
  socket.setMaxListeners(0);
  const closed = Promise.withResolvers<Answer>();
  const streams = new Map<number, Open>();
  const windows = { connection: 65_535, initial: 65_535 };
  let moved = Promise.withResolvers<void>();
  let lastWord: Answer = "CLOSED";
  let nextId = 1;

  const move = (): void => {
    moved.resolve();
    moved = Promise.withResolvers();
  };
  const settle = (id: number, answer?: Answer): void => {
    const stream = streams.get(id);
    if (!stream) return;
    streams.delete(id);
    const { fields, body } = stream;
    stream.answer.resolve(answer ?? toAnswer({ fields, body: Buffer.concat(body) }));
    move();
  };
  const end = (answer: Answer): void => {
    closed.resolve(answer);
    for (const id of streams.keys()) settle(id, answer);
    move();
  };
  socket.on("close", () => end(lastWord));

  const onFrame = (type: number, flags: number, id: number, payload: Buffer): void => {
    const stream = streams.get(id);
    switch (type) {
      case FRAME.settings:
        if (flags & ACK) return;
        for (let at = 0; at + 6 <= payload.length; at += 6) {
          if (payload.readUInt16BE(at) !== SETTING.initialWindow) continue;
          const grown = payload.readUInt32BE(at + 2) - windows.initial;
          windows.initial += grown;
          for (const each of streams.values()) each.window += grown;
        }
        socket.write(toFrame(FRAME.settings, ACK, 0));
        return move();
      case FRAME.ping:
        if (!(flags & ACK)) socket.write(toFrame(FRAME.ping, ACK, 0, payload));
        return;
      case FRAME.windowUpdate:
        if (id === 0) windows.connection += payload.readUInt32BE(0);
        else if (stream) stream.window += payload.readUInt32BE(0);
        return move();
      case FRAME.goAway: {
        const code = payload.readUInt32BE(4);
        lastWord = `GOAWAY ${ERROR_CODES[code] ?? code}`;
        return;
      }
      case FRAME.reset: {
        const code = payload.readUInt32BE(0);
        const isSaid = stream?.fields.some(([name]) => name === "grpc-status") || code === 0;
        return settle(id, isSaid ? undefined : `RST_STREAM ${ERROR_CODES[code] ?? code}`);
      }
      case FRAME.headers:
        stream?.fields.push(...decodeFields(payload));
        break;
      case FRAME.data:
        if (stream && (stream.bodyBytes += payload.length) <= BODY_BYTES_MAX) stream.body.push(payload);
        break;
      default:
        return;
    }
    if (flags & END_STREAM) settle(id);
  };
  socket.on("data", createReader(onFrame));

  const write = async (bytes: Uint8Array): Promise<void> => {
    if (!socket.destroyed && !socket.write(bytes))
      await Promise.race([once(socket, "drain").catch(() => {}), closed.promise]);
  };
  const send = async (id: number, stream: Open, bytes: Uint8Array, frameBytes: number): Promise<void> => {
    for (let at = 0; at < bytes.length && streams.get(id) === stream;) {
      const room = Math.min(windows.connection, stream.window, BATCH_BYTES, bytes.length - at);
      if (room > 0) {
        windows.connection -= room;
        stream.window -= room;
        await write(toData(id, bytes.subarray(at, (at += room)), frameBytes));
      } else await moved.promise;
    }
  };

  // A service that has ended refuses the connection, which then is one that was closed.
  await Promise.race([once(socket, "connect").catch(() => {}), closed.promise]);
  const settings = [
    [SETTING.tableBytes, 0],
    [SETTING.initialWindow, window],
  ] as const;
  await write(Buffer.concat([PREFACE, toSettings(settings), toWindowUpdate(0, WINDOW_MAX - 65_535)]));
  return {
    open(fields, options) {
      const id = nextId;
      nextId += 2;
      const answer = Promise.withResolvers<Answer>();
      const stream: Open = { fields: [], body: [], bodyBytes: 0, window: windows.initial, answer };
      streams.set(id, stream);
      if (socket.destroyed) settle(id, lastWord);
      else socket.write(toHeaders(id, fields, options?.end ? END_STREAM : 0));
      return {
        id,
        answer: answer.promise,
        received: () => ({ fields: stream.fields, body: Buffer.concat(stream.body) }),
        async send(bytes, { frameBytes = 16_384, end: isLast = false } = {}) {
          await send(id, stream, bytes, frameBytes);
          if (isLast && streams.get(id) === stream) await write(toFrame(FRAME.data, END_STREAM, id));
        },
        reset(code = CANCEL) {
          if (!socket.destroyed) socket.write(toReset(id, code));
          settle(id, "UNANSWERED");
        },
      };
    },
    write,
    isOpen: () => !socket.destroyed,
    closed: closed.promise,
    [Symbol.dispose]() {
      end("UNANSWERED");
      socket.destroy();
    },
  };
}

/** Cuts what arrives into frames. */
function createReader(onFrame: (type: number, flags: number, stream: number, payload: Buffer) => void) {
  let rest: Buffer = Buffer.alloc(0);
  let begun: { readonly flags: number; readonly block: Buffer } | undefined;
  return (chunk: Buffer): void => {
    rest = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    let at = 0;
    while (rest.length - at >= 9) {
      const length = rest.readUIntBE(at, 3);
      if (rest.length - at < 9 + length) break;
      const [type, flags, id] = [rest[at + 3]!, rest[at + 4]!, rest.readUInt32BE(at + 5)];
      const payload = rest.subarray(at + 9, (at += 9 + length));
      if (type === FRAME.headers && !(flags & END_HEADERS)) begun = { flags, block: payload };
      else if (type === FRAME.continuation && begun) {
        begun = { flags: begun.flags, block: Buffer.concat([begun.block, payload]) };
        if (!(flags & END_HEADERS)) continue;
        onFrame(FRAME.headers, begun.flags, id, begun.block);
        begun = undefined;
      } else onFrame(type, flags, id, payload);
    }
    rest = rest.subarray(at);
  };
}
