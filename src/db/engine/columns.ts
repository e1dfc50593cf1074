import pg from "pg";
import { DecodeError, instantMax, instantMin, type E4, type Micros } from "./pg-types.ts";

/** A column of a result, as the server describes it. */
export type Column = {
  readonly name: string;
  readonly dataTypeID: number;
  readonly format: string;
};

/** Reads a row of a result from where its columns begin. Throws a DecodeError. */
export type RowReader = (bytes: Buffer, start: number) => unknown;

/**
 * Creates the reader of a result's rows. We ask for results in binary: the server need not print its values,
 * nor do we read what was printed.
 */
export function createRowReader(columns: readonly Column[]): RowReader {
  const parts = columns.map((column) => ({
    name: column.name,
    read: toReader(column),
    expected: sizes[column.dataTypeID],
  }));
  // A copy of it has room for all columns at once.
  const empty: Record<string, unknown> = Object.fromEntries(parts.map(({ name }) => [name, null]));
  return (bytes, start) => {
    try {
      if (bytes.readUInt16BE(start) !== parts.length) throw new Error("a row of another number of columns");
      const row = { ...empty };
      let at = start + 2;
      for (const { name, read, expected } of parts) {
        const length = bytes.readInt32BE(at);
        at += 4;
        if (length < 0) continue;
        if (expected !== undefined && length !== expected) throw new Error(`${name} has ${length} bytes`);
        row[name] = read(bytes, at, length);
        at += length;
      }
      return row;
    } catch (error) {
      throw new DecodeError(error);
    }
  };
}

type Read = (bytes: Buffer, at: number, length: number) => unknown;

const { BOOL, INT2, INT4, INT8, FLOAT8, TEXT, VARCHAR, BPCHAR, UUID, NUMERIC, TIMESTAMPTZ, JSONB } =
  pg.types.builtins;
/** node-postgres names neither. */
const [UUIDS, VOID] = [2951, 2278];
const readersByType: Readonly<Record<number, Read>> = {
  [BOOL]: (bytes, at) => bytes[at] === 1,
  [INT2]: (bytes, at) => bytes.readInt16BE(at),
  [INT4]: (bytes, at) => bytes.readInt32BE(at),
  [INT8]: readInt8,
  [FLOAT8]: (bytes, at) => bytes.readDoubleBE(at),
  [TEXT]: readText,
  [VARCHAR]: readText,
  [BPCHAR]: readText,
  [UUID]: readUuid,
  [UUIDS]: readUuids,
  [VOID]: () => "",
  [NUMERIC]: readNumeric,
  [TIMESTAMPTZ]: readInstant,
  // The byte before the text is the version of the form.
  [JSONB]: (bytes, at, length): unknown => JSON.parse(bytes.toString("utf8", at + 1, at + length)),
};

/** How many bytes the values of a type have. */
const sizes: Readonly<Record<number, number>> = {
  [BOOL]: 1,
  [INT2]: 2,
  [INT4]: 4,
  [INT8]: 8,
  [FLOAT8]: 8,
  [UUID]: 16,
  [TIMESTAMPTZ]: 8,
};

function toReader({ name, dataTypeID, format }: Column): Read {
  const read = readersByType[dataTypeID];
  if (read && format === "binary") return read;
  return () => {
    throw new Error(`column ${name} is of type ${dataTypeID} in ${format}`);
  };
}

/** An int8 as a number; one beyond ± 2^53 is not exact, and not a safe integer. */
function readLong(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4);
}

function readInt8(bytes: Buffer, at: number): bigint {
  const number = readLong(bytes, at);
  return Number.isSafeInteger(number) ? BigInt(number) : bytes.readBigInt64BE(at);
}

/** Texts that were read lately, by some of their characters: statuses and currencies come in each row. */
const known: string[] = Array.from({ length: 256 }, () => "");
const knownLengthMax = 16;

function readText(bytes: Buffer, at: number, length: number): string {
  if (length === 0 || length > knownLengthMax) return bytes.toString("utf8", at, at + length);
  const place = (7 * bytes[at]! + 3 * bytes[at + length - 1]! + length) & 0xff;
  const text = known[place]!;
  if (isText(text, bytes, at, length)) return text;
  const read = bytes.toString("utf8", at, at + length);
  known[place] = read;
  return read;
}

/** Whether bytes are a text in ASCII. */
function isText(text: string, bytes: Buffer, at: number, length: number): boolean {
  if (text.length !== length) return false;
  for (let n = 0; n < length; n++) if (text.charCodeAt(n) !== bytes[at + n]) return false;
  return true;
}

const digits = "0123456789abcdef";
const highDigits = Uint8Array.from({ length: 256 }, (_, byte) => digits.charCodeAt(byte >> 4));
const lowDigits = Uint8Array.from({ length: 256 }, (_, byte) => digits.charCodeAt(byte & 0x0f));
/** Where the digits of each byte stand in a UUID's text. */
const places = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
const uuid = Buffer.alloc(36, "-");

/** Twice as fast as Buffer's own hexadecimal digits with the dashes put between them. */
function readUuid(bytes: Buffer, at: number): string {
  for (let n = 0; n < 16; n++) {
    const byte = bytes[at + n]!;
    const place = places[n]!;
    uuid[place] = highDigits[byte]!;
    uuid[place + 1] = lowDigits[byte]!;
  }
  return uuid.toString("latin1");
}

/** Reads an array of one dimension, or none where it is empty, without nulls. */
function readUuids(bytes: Buffer, at: number): string[] {
  if (bytes.readInt32BE(at) === 0) return [];
  // Behind the dimensions, the flags and the type: the length, the first index, and each with its own length.
  return Array.from({ length: bytes.readInt32BE(at + 12) }, (_, n) => readUuid(bytes, at + 24 + n * 20));
}

/** The server's instants begin in 2000. */
const epoch = 946_684_800_000_000;

function readInstant(bytes: Buffer, at: number): Micros {
  const since = readLong(bytes, at);
  const isExact = Number.isSafeInteger(since) && Number.isSafeInteger(since + epoch);
  const instant = isExact ? BigInt(since + epoch) : bytes.readBigInt64BE(at) + BigInt(epoch);
  // Infinity is the largest number.
  if (instant < instantMin || instant > instantMax) throw new RangeError("an instant of no year");
  return instant;
}

/** What the sign of a decimal says. */
const [positive, negative] = [0x0000, 0x4000];

/** Reads a decimal with at most four decimals: its digits are those of base 10,000, and so is an E4. */
function readNumeric(bytes: Buffer, at: number): E4 {
  const count = bytes.readUInt16BE(at);
  const weight = bytes.readInt16BE(at + 2);
  const sign = bytes.readUInt16BE(at + 4);
  if (sign !== positive && sign !== negative) throw new RangeError("a decimal that is no number");
  if (count > weight + 2) throw new RangeError("a decimal with more than four decimals");
  const digit = (n: number): number => (n < count ? bytes.readUInt16BE(at + 8 + 2 * n) : 0);
  let amount = 0;
  for (let n = 0; n < weight + 2; n++) amount = amount * 10_000 + digit(n);
  if (Number.isSafeInteger(amount)) return BigInt(sign === negative ? -amount : amount);
  let exact = 0n;
  for (let n = 0; n < weight + 2; n++) exact = exact * 10_000n + BigInt(digit(n));
  return sign === negative ? -exact : exact;
}
