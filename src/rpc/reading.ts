import { type DescMethod, fromBinary, fromJsonString, type Message } from "@bufbuild/protobuf";
import { DomainError } from "../db/errors.ts";
import { createJsonReader } from "./json.ts";
import { rowsFieldOf, splitRows } from "./rows.ts";
import { MALFORMED_REQUEST } from "./status.ts";

export type Read = { readonly message: Message; readonly rows?: Iterable<Message | DomainError> };
export type RequestReader = {
  readonly readBinary: (bytes: Uint8Array) => Read;
  readonly readJson: (bytes: Uint8Array) => Read;
};
export function createRequestReader(desc: DescMethod, _bytesMax: number): RequestReader {
  const rowsField = rowsFieldOf(desc);
  const json = createJsonReader(desc.input);
  const guard = (read: () => Read): Read => {
    try {
      return read();
    } catch (error) {
      if (error instanceof DomainError) throw error;
      throw new DomainError("invalid", MALFORMED_REQUEST, "the request is not a message of this method");
    }
  };
  return {
    readBinary: (bytes) =>
      guard(() =>
        rowsField
          ? splitRows(desc.input, rowsField, bytes)
          : { message: fromBinary(desc.input, bytes, { readUnknownFields: false }) },
      ),
    readJson: (bytes) => guard(() => ({ message: fromJsonString(desc.input, json.decode(bytes)) })),
  };
}
