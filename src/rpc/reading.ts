import { type DescMethod, fromBinary, fromJsonString, type Message } from "@bufbuild/protobuf";
import { DomainError, malformed } from "../errors.ts";
import { createElementCount, findRowsField } from "./elements.ts";
import { createJsonReader } from "./json.ts";
import { createRowReader, type Split } from "./rows.ts";
import { messageOf } from "../system-errors.ts";

/** Decodes requests of one method. Both functions throw a DomainError for invalid bytes. */
export type RequestReader = {
  readonly readBinary: (bytes: Uint8Array) => Message;
  readonly readJson: (bytes: Uint8Array) => Message;
};

/** The rows of import requests, which are not decoded into the messages. */
const unreadRows = new WeakMap<Message, Split["rows"]>();

/** Returns the rows of an import request; each is decoded when it is taken. */
export function rowsOf(request: Message): Split["rows"] {
  return unreadRows.get(request) ?? [];
}

/**
 * Creates the decoder of a method's requests. The work for a request is bounded by its bytes: unknown fields
 * are skipped (in JSON rejected, where they are typos rather than new), elements are counted before they are
 * decoded, and rows of imports are left for rowsOf().
 */
export function createRequestReader({ input }: DescMethod): RequestReader {
  const rowsField = findRowsField(input);
  const rowReader = rowsField && createRowReader(rowsField);
  const countElements = createElementCount(input);
  const json = createJsonReader(input);
  const readWhole = (bytes: Uint8Array): Message => {
    countElements?.(bytes);
    return fromBinary(input, bytes, { readUnknownFields: false });
  };
  const readWholeJson = (bytes: Uint8Array): Message => fromJsonString(input, json.decode(bytes));
  const keepRows = ({ rest, rows }: Split, read: (bytes: Uint8Array) => Message): Message => {
    const message = read(rest);
    unreadRows.set(message, rows);
    return message;
  };
  return {
    readBinary(bytes) {
      try {
        return rowReader ? keepRows(rowReader.splitBinary(bytes), readWhole) : readWhole(bytes);
      } catch (error) {
        throw toMalformed(error, "the request is not a message of this method");
      }
    },
    readJson(bytes) {
      try {
        return rowReader ? keepRows(rowReader.splitJson(bytes), readWholeJson) : readWholeJson(bytes);
      } catch (error) {
        const message = messageOf(error);
        const isTold = message.startsWith("cannot decode");
        throw toMalformed(error, isTold ? message : `cannot decode ${String(input)} from JSON: ${message}`);
      }
    },
  };
}

function toMalformed(error: unknown, message: string): DomainError {
  return error instanceof DomainError ? error : malformed(message);
}
