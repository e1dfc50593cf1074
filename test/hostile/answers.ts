import * as zlib from "node:zlib";
import { Code, ConnectError } from "@connectrpc/connect";
import { endStreamFromJson, errorFromJsonBytes } from "@connectrpc/connect/protocol-connect";
import { findTrailerError } from "@connectrpc/connect/protocol-grpc";
import { trailerParse } from "@connectrpc/connect/protocol-grpc-web";
import { ErrorInfoSchema } from "../../src/gen/google/rpc/error_details_pb.ts";
import type { Field } from "./hpack.ts";

/**
 * What an attacker was answered, for a table: a code and the reason of its ErrorInfo, `OK`, or how the
 * stream ended without an answer: `RST_STREAM CANCEL`, `GOAWAY PROTOCOL_ERROR`, `CLOSED`, `UNANSWERED`.
 */
export type Answer = string;

/** An answer as it has arrived: all fields of headers and trailers, and the body. */
export type Received = { readonly fields: readonly Field[]; readonly body: Buffer };

/** The body of an answer of one message: compressed as the request was if nothing else is asked for. */
export function plainBody({ fields, body }: Received): Buffer {
  return decompress(body, fields.find(([name]) => name === "content-encoding")?.[1]);
}

/** Reads what was answered, in whatever protocol it was. */
export function toAnswer(received: Received): Answer {
  const { fields, body } = received;
  const headers = new Headers();
  for (const [name, value] of fields) if (!name.startsWith(":")) headers.append(name, value);
  const http = Number(fields.find(([name]) => name === ":status")?.[1] ?? 200);
  const contentType = headers.get("content-type") ?? "";
  if (headers.has("grpc-status")) return toText(findTrailerError(headers), headers);
  if (contentType.startsWith("application/grpc-web")) {
    const end = lastEnvelope(body, headers.get("grpc-encoding"));
    const trailers = end ? trailerParse(end) : headers;
    return toText(findTrailerError(trailers), trailers);
  }
  if (contentType.startsWith("application/connect+")) {
    const end = lastEnvelope(body, headers.get("connect-content-encoding"));
    return end ? toText(endStreamFromJson(end).error) : `HTTP ${http} CUT`;
  }
  if (http === 200) return /^application\/(proto|json)$/.test(contentType) ? "OK" : `HTTP 200 ${contentType}`;
  const none = new ConnectError("", Code.Unknown);
  const error = parseError(plainBody(received), none);
  return error === none ? `HTTP ${http}` : toText(error);
}

/** Whether an answer has a code and, where it is an error, a reason. */
export function isSaid(answer: Answer): boolean {
  return (
    answer === "OK" || (/^[A-Z_]+ [A-Z_0-9]+$/.test(answer) && !/^(RST_STREAM|GOAWAY|HTTP) /.test(answer))
  );
}

function parseError(body: Buffer, none: ConnectError): ConnectError {
  try {
    return errorFromJsonBytes(body, undefined, none);
  } catch {
    return none;
  }
}

function toText(error: ConnectError | undefined, trailers?: Headers): Answer {
  if (!error) return trailers && !trailers.has("grpc-status") ? "CUT" : "OK";
  const [info] = error.findDetails(ErrorInfoSchema);
  return `${toName(error.code)} ${info?.reason ?? "-"}`;
}

/** A code as gRPC writes it: INVALID_ARGUMENT. */
function toName(code: Code): string {
  return code === Code.Canceled
    ? "CANCELLED"
    : Code[code].replaceAll(/(?<=[a-z])[A-Z]/g, "_$&").toUpperCase();
}

/** The payload of the envelope that ends a stream, compressed as the stream's messages are. */
function lastEnvelope(body: Buffer, coding: string | null): Buffer | undefined {
  for (let at = 0; at + 5 <= body.length;) {
    const [flags, length] = [body[at]!, body.readUInt32BE(at + 1)];
    const payload = body.subarray(at + 5, at + 5 + length);
    if (flags & 0x82) return flags & 1 ? decompress(payload, coding) : payload;
    at += 5 + length;
  }
  return undefined;
}

function decompress(bytes: Buffer, coding: string | null | undefined): Buffer {
  if (coding === "gzip") return zlib.gunzipSync(bytes);
  return coding === "br" ? zlib.brotliDecompressSync(bytes) : bytes;
}
