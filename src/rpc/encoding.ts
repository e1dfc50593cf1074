import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { encoders } from "../gen/encoders.ts";
import { written } from "./wire.ts";

/** What a service function answers: a message, or its fields. */
export type Answer = MessageInitShape<DescMessage>;

/**
 * Returns the bytes of a message as toBinary(create()) does. The contract's answers are written without a
 * message object, by functions that are generated for each type.
 */
export function encode(schema: DescMessage, answer: Answer): Buffer {
  const write = encoders[schema.typeName];
  const bytes = write && written(write, answer);
  if (bytes) return bytes;
  const { buffer, byteOffset, byteLength } = toBinary(schema, create(schema, answer));
  return Buffer.from(buffer, byteOffset, byteLength);
}
