import { randomUUID } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema } from "../gen/google/rpc/error_details_pb.ts";

/** An unknown error, masked for the caller. The caller sees its id, the log both. */
export class Masked extends Error {
  readonly id: string = randomUUID();
}

/**
 * The fields of a failed call for the log, beside its code. Without its message, which may quote ids, emails
 * and other parts of the request.
 */
export function toLogFields(error: ConnectError): Readonly<Record<string, unknown>> {
  const { reason = "" } = findInfo(error) ?? {};
  const { cause } = error;
  if (cause instanceof Masked) return { reason, id: cause.id, err: cause.cause };
  return { reason };
}

/** Of a token that is not accepted: the check that it has failed. */
export function checkOf(error: ConnectError): string | undefined {
  const { reason, metadata } = findInfo(error) ?? {};
  return reason === "TOKEN_INVALID" ? metadata?.["check"] : undefined;
}

/** The ErrorInfo of an error that was made here. */
export function findInfo({ details }: ConnectError): MessageInitShape<typeof ErrorInfoSchema> | undefined {
  for (const each of details) if ("desc" in each && each.desc === ErrorInfoSchema) return each.value;
  return undefined;
}
