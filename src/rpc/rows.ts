import { type DescField, fromBinary, fromJsonString, type Message } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { bounds } from "../bounds.ts";
import { DomainError, invalid } from "../errors.ts";
import { createElementCount, tooManyElements } from "./elements.ts";
import { createJsonReader } from "./json.ts";
import { findJsonRows, type Place } from "./json-rows.ts";

/** A request whose rows are not decoded. */
export type Split = {
  /** The bytes of the request without its rows. */
  readonly rest: Uint8Array;
  /** The rows; each is decoded when it is taken. A DomainError stands for a row that cannot be decoded. */
  readonly rows: Iterable<Message | DomainError>;
};

/** Splits requests. Both functions throw for bytes that are no valid request. */
export type RowReader = {
  readonly splitBinary: (bytes: Uint8Array) => Split;
  readonly splitJson: (bytes: Uint8Array) => Split;
};

/**
 * Creates the splitter of import requests: their rows, which are the elements of `field`, and the rest.
 * Decoding a large request as a whole would block all other calls, and one of empty rows would take many
 * times its size in memory. Rows are counted when the request is read, and decoded one by one.
 */
export function createRowReader(field: DescField): RowReader {
  const row = field.message!;
  const countElements = createElementCount(row);
  const json = createJsonReader(row);
  const readBinary = (bytes: Uint8Array): Message => {
    countElements?.(bytes);
    return fromBinary(row, bytes, { readUnknownFields: false });
  };
  const readJson = (bytes: Uint8Array): Message => fromJsonString(row, json.decode(bytes));
  return {
    splitBinary: (bytes) => split(bytes, field.name, () => findRows(bytes, field.number), readBinary),
    splitJson(bytes) {
      const names = [field.name, field.jsonName];
      return split(bytes, field.name, () => findJsonRows(bytes, names), readJson);
    },
  };
}

function split(
  bytes: Uint8Array,
  name: string,
  find: () => Iterable<Place>,
  read: (bytes: Uint8Array) => Message,
): Split {
  const rest: Uint8Array[] = [];
  let [after, count] = [0, 0];
  for (const { start, end } of find()) {
    if (start > after) rest.push(bytes.subarray(after, start));
    after = end;
    if (++count > bounds.rows.max) throw invalid(name, tooManyElements(bounds.rows.max));
  }
  rest.push(bytes.subarray(after));
  const rows = {
    *[Symbol.iterator]() {
      for (const { content, end } of find()) yield decode(bytes.subarray(content, end), read);
    },
  };
  return { rest: Buffer.concat(rest), rows };
}

function decode(bytes: Uint8Array, read: (bytes: Uint8Array) => Message): Message | DomainError {
  const bytesMax = bounds.rowBytes.max;
  if (bytes.length > bytesMax) return invalid("row", `has over ${bytesMax} bytes`, bounds.rowBytes.reason);
  try {
    return read(bytes);
  } catch (error) {
    if (error instanceof DomainError) return error;
    return invalid("row", "is not a message of this kind", bounds.rowBytes.reason);
  }
}

/** Finds the messages of a field. */
function* findRows(bytes: Uint8Array, number: number): Generator<Place> {
  const reader = new BinaryReader(bytes);
  let besideBytes = 0;
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const [found, wireType] = reader.tag();
    if (found !== number) {
      reader.skip(wireType, found); // Not a row: it stays in the message that is decoded without its rows.
      besideBytes += reader.pos - start;
      if (besideBytes > bounds.besideRowsBytes.max) throw new RangeError("too much beside the rows");
      continue;
    }
    if (wireType !== WireType.LengthDelimited) throw new RangeError("a row is not a message");
    const length = reader.uint32();
    const content = reader.pos;
    reader.pos += length;
    if (reader.pos > reader.len) throw new RangeError("a row ends after the end of its request");
    yield { start, content, end: reader.pos };
  }
}
