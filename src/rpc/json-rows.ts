import { bounds } from "../bounds.ts";

const [SPACE, TAB, LINE_FEED, RETURN] = Buffer.from(" \t\n\r");
const [QUOTE, BACKSLASH, COMMA, COLON] = Buffer.from('"\\,:');
const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_LIST, CLOSE_LIST] = Buffer.from("{}[]");

/** Offsets of a row: its start with what belongs to it, the start of its content, and its end. */
export type Place = { readonly start: number; readonly content: number; readonly end: number };

const text = new TextDecoder();

/**
 * Finds the elements of an array in the bytes of JSON; the array is a member of the request's object under
 * one of `names`. A place includes the comma and white space before its element. The rest of the request and
 * each element are validated when they are parsed. Throws a RangeError if no element can be found, or too
 * much stands beside them.
 */
export function* findJsonRows(bytes: Uint8Array, names: readonly string[]): Generator<Place> {
  let besideBytes = 0;
  let found = false;
  const pass = (from: number, to: number): number => {
    besideBytes += to - from;
    if (besideBytes > bounds.besideRowsBytes.max) throw new RangeError("too much beside the rows");
    return to;
  };
  let at = skipSpace(bytes, startOf(bytes));
  if (bytes[at] !== OPEN_OBJECT) return;
  at = skipSpace(bytes, at + 1);
  while (bytes[at] === QUOTE) {
    const keyEnd = skipString(bytes, at);
    const isRows = keyEnd - at <= KEY_BYTES_MAX && names.includes(readKey(bytes.subarray(at, keyEnd)));
    const colon = skipSpace(bytes, keyEnd);
    if (bytes[colon] !== COLON) throw new RangeError("a member has no colon");
    const value = pass(at, skipSpace(bytes, colon + 1));
    if (isRows && found) throw new RangeError("the rows are given twice");
    found ||= isRows;
    at =
      isRows && bytes[value] === OPEN_LIST
        ? yield* findElements(bytes, value)
        : pass(value, skipValue(bytes, value));
    at = skipSpace(bytes, at);
    if (bytes[at] === COMMA) at = skipSpace(bytes, at + 1);
  }
  pass(at, bytes.length);
}

/** Longer than the name of any field, escapes included. */
const KEY_BYTES_MAX = 100;

function readKey(bytes: Uint8Array): string {
  return JSON.parse(text.decode(bytes)) as string;
}

/** Skips a byte order mark, as the parser of the rest does. */
function startOf(bytes: Uint8Array): number {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
}

/** Yields the elements of the array that opens at `open`; returns the offset behind it. */
function* findElements(bytes: Uint8Array, open: number): Generator<Place, number> {
  let start = open + 1;
  for (let isFirst = true; ; isFirst = false) {
    let at = skipSpace(bytes, start);
    if (bytes[at] === CLOSE_LIST) return at + 1;
    if (!isFirst) {
      if (bytes[at] !== COMMA) throw new RangeError("an element has no comma before it");
      at = skipSpace(bytes, at + 1);
    }
    const end = skipValue(bytes, at);
    yield { start, content: at, end };
    start = end;
  }
}

function skipSpace(bytes: Uint8Array, from: number): number {
  let at = from;
  for (;;) {
    const byte = bytes[at];
    if (byte !== SPACE && byte !== LINE_FEED && byte !== RETURN && byte !== TAB) return at;
    at += 1;
  }
}

/** Returns the end of a value. Brackets are counted, not matched: the value's parser does that. */
function skipValue(bytes: Uint8Array, from: number): number {
  let depth = 0;
  let at = from;
  while (at < bytes.length) {
    const byte = bytes[at];
    if (byte === QUOTE) at = skipString(bytes, at);
    else if (byte === OPEN_OBJECT || byte === OPEN_LIST) {
      depth += 1;
      at += 1;
    } else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) {
      if (depth === 0) return endOf(from, at);
      depth -= 1;
      at += 1;
    } else if (depth === 0 && (byte === COMMA || byte === COLON)) return endOf(from, at);
    else at += 1;
    if (depth === 0 && (byte === QUOTE || byte === CLOSE_OBJECT || byte === CLOSE_LIST)) return at;
  }
  throw new RangeError("a value does not end");
}

function endOf(from: number, at: number): number {
  if (at === from) throw new RangeError("a value is missing");
  return at;
}

/** Returns the end of the string that opens at `open`. */
function skipString(bytes: Uint8Array, open: number): number {
  for (let at = open + 1; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) return at + 1;
    if (byte === BACKSLASH) at += 1;
  }
  throw new RangeError("a string does not end");
}
