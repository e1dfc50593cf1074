import { bounds } from "../bounds.ts";

const [SPACE, TAB, LINE_FEED, RETURN] = Buffer.from(" \t\n\r");
const [QUOTE, BACKSLASH, COMMA, COLON] = Buffer.from('"\\,:');
const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_LIST, CLOSE_LIST] = Buffer.from("{}[]");

/** Where a row begins, with what belongs to it, where its content does, and its end. */
export type Place = { readonly start: number; readonly content: number; readonly end: number };

const text = new TextDecoder();

/**
 * Finds the elements of a list that is a member of the request's object, by its names, in the bytes of JSON.
 * A place has its element and the comma and white space before it. What is beside them is judged when the
 * rest of the request is parsed, and each element when it is. Throws a RangeError where no element can be
 * found in what is there, or too much is there beside them.
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

/** Longer names than any field has, escapes included. */
const KEY_BYTES_MAX = 100;

function readKey(bytes: Uint8Array): string {
  return JSON.parse(text.decode(bytes)) as string;
}

/** Behind a byte order mark, which the reader of the rest skips as well. */
function startOf(bytes: Uint8Array): number {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
}

/** The elements of the list that opens at a place; returns where it has closed. */
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

/** Where a value ends. Brackets are counted, not matched: that is for the parser of the value. */
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

/** Where a string ends that opens at a place. */
function skipString(bytes: Uint8Array, open: number): number {
  for (let at = open + 1; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) return at + 1;
    if (byte === BACKSLASH) at += 1;
  }
  throw new RangeError("a string does not end");
}
