/** The fields of a message, or what initializes them. */
export type Fields = Readonly<Record<string, unknown>>;

/** Thrown for what the encoders leave to protobuf-es. */
const unusual = new Error("an unusual message");

/** Leaves the message to protobuf-es: it has what is rare, or what is wrong, which protobuf-es then names. */
export function rare(): never {
  throw unusual;
}

/** Room for most pages of a list. */
const bytesMin = 64 * 1_024;
/** More is given back after the message that took it. */
const bytesKept = 1_024 * 1_024;

/** The bytes of the message in the making, one after the other: encoding never waits. */
let bytes = Buffer.allocUnsafe(bytesMin);
let at = 0;

/** Returns the bytes of the message that `write` writes, undefined if it is unusual. */
export function written(write: (message: Fields) => void, message: Fields): Buffer | undefined {
  at = 0;
  try {
    write(message);
    return Buffer.from(bytes.subarray(0, at));
  } catch (error) {
    if (error !== unusual) throw error;
    return undefined;
  } finally {
    if (bytes.length > bytesKept) bytes = Buffer.allocUnsafe(bytesMin);
  }
}

function expectRoom(length: number): void {
  if (at + length <= bytes.length) return;
  const larger = Buffer.allocUnsafe(Math.max(2 * bytes.length, at + length));
  bytes.copy(larger, 0, 0, at);
  bytes = larger;
}

/** A tag takes up to 5 bytes, and a number up to 10. */
const numberRoom = 15;

/** Writes a number below 2^32 without a look at the room. */
function varint(value: number): void {
  let rest = value;
  while (rest > 0x7f) {
    bytes[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  bytes[at++] = rest;
}

/** Writes a field of int32 or of an enum; a negative one is rare. */
export function int32(tag: number, value: unknown): void {
  if (typeof value !== "number" || value !== (value | 0) || value < 0) rare();
  expectRoom(numberRoom);
  varint(tag);
  varint(value);
}

/** The bits that are written first, of four bytes of a varint: the rest of a safe integer fits into 32. */
const lowBits = 2 ** 28;

/** Writes a field of int64; what is negative, above 2^53 or not a bigint is rare. */
export function int64(tag: number, value: unknown): void {
  if (typeof value !== "bigint") rare();
  const number = Number(value);
  if (number < 0 || number > Number.MAX_SAFE_INTEGER) rare();
  expectRoom(numberRoom);
  varint(tag);
  const high = Math.floor(number / lowBits);
  let low = number - high * lowBits;
  if (high === 0) return varint(low);
  for (let n = 0; n < 4; n++) {
    bytes[at++] = (low & 0x7f) | 0x80;
    low >>>= 7;
  }
  varint(high);
}

/** Longer ones cost less by Buffer's own function, which takes some 50 ns for any text. */
const loopedMax = 12;
/** Longer ones may take two bytes for their length: a UTF-16 unit takes up to three bytes of UTF-8. */
const shortMax = 42;

/** Writes a field of text. Half of a surrogate pair becomes U+FFFD, as everywhere. */
export function text(tag: number, value: unknown): void {
  if (typeof value !== "string") rare();
  expectRoom(10 + 3 * value.length);
  varint(tag);
  if (value.length > shortMax) return longText(value);
  const start = at + 1;
  const isWritten = value.length <= loopedMax && writeAscii(value, start);
  const length = isWritten ? value.length : bytes.write(value, start);
  bytes[at] = length;
  at = start + length;
}

/** Writes a text unless it is not ASCII. */
function writeAscii(value: string, start: number): boolean {
  for (let n = 0; n < value.length; n++) {
    const unit = value.charCodeAt(n);
    if (unit > 0x7f) return false;
    bytes[start + n] = unit;
  }
  return true;
}

function longText(value: string): void {
  const lengthAt = at;
  // It mostly is ASCII.
  varint(value.length);
  const length = bytes.write(value, at);
  if (length === value.length) {
    at += length;
    return;
  }
  at = lengthAt;
  varint(length);
  at += bytes.write(value, at);
}

/** Whether a field of bytes has some. */
export function isFilled(value: unknown): boolean {
  return !(value instanceof Uint8Array) || value.length > 0;
}

/** Writes a field of bytes. */
export function octets(tag: number, value: unknown): void {
  if (!(value instanceof Uint8Array)) rare();
  expectRoom(10 + value.length);
  varint(tag);
  varint(value.length);
  bytes.set(value, at);
  at += value.length;
}

/** Begins a field of a message, and returns what ends it. */
export function begin(tag: number): number {
  expectRoom(10);
  varint(tag);
  // Most messages have up to 127 bytes, whose number takes one.
  return ++at;
}

/** Ends the field of a message that began at `start`. */
export function end(start: number): void {
  const length = at - start;
  if (length < 0x80) {
    bytes[start - 1] = length;
    return;
  }
  expectRoom(4);
  const more = length < 2 ** 14 ? 1 : length < 2 ** 21 ? 2 : length < 2 ** 28 ? 3 : 4;
  bytes.copyWithin(start + more, start, at);
  at = start - 1;
  varint(length);
  at += length;
}

/** Expects the fields of a message. */
export function fields(value: unknown): Fields {
  return typeof value === "object" && value !== null ? (value as Fields) : rare();
}

/** Expects the elements of a repeated field. */
export function elements(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : rare();
}
