import {
  createAsyncIterable,
  encodeEnvelope,
  type UniversalServerRequest,
} from "@connectrpc/connect/protocol";
import type { DomainError } from "../errors.ts";
import { type Encoding, findEncoding } from "./decompression.ts";
import { createGetBody, createHttpBody, type Form } from "./http-requests.ts";
import { CallId } from "../telemetry/call-id.ts";
import type { Method } from "./pipeline.ts";
import type { Request } from "./refusals.ts";
import type { Body } from "./requests.ts";
import { parseDeadline } from "./timeout.ts";
import { arrivalMsOf } from "./turns.ts";

/** A call on the HTTP port whose headers have arrived. */
export type Announced = {
  readonly request: Request;
  readonly callId: CallId;
  /** When its headers arrived, in milliseconds since the epoch. */
  readonly arrivedMs: number;
  /** When the caller stops waiting, in milliseconds since the epoch, or the error for an invalid timeout. */
  readonly deadline: number | DomainError;
  /** Creates the body, whose reading ends when the signal aborts. */
  readonly toBody: (signal: AbortSignal) => Body;
};

/** Content types of requests whose messages have prefixes. */
const FRAMED = /^application\/(grpc|connect\+)/;
/** The encodings that Connect announces to callers. */
const ENCODINGS: readonly Encoding[] = ["gzip", "br"];

/**
 * Reads the headers of a call and takes over its timeout and its body. Connect would read the body before
 * authentication, without a time limit and, if it arrives in small pieces, in quadratic time. It gets an
 * empty request of the same form instead.
 */
export function announce(
  request: Request,
  call: UniversalServerRequest,
  { streamsRequests, requestBytesMax: bytesMax }: Method,
): Announced {
  const contentType = call.header.get("content-type") ?? "";
  const isGrpc = contentType.startsWith("application/grpc");
  const timeout = isGrpc ? "grpc-timeout" : "connect-timeout-ms";
  const arrivedMs = "stream" in request ? arrivalMsOf(request.stream) : Date.now();
  const deadline = parseDeadline(timeout, call.header.get(timeout), arrivedMs);
  call.header.delete(timeout);
  const callId = new CallId((name) => call.header.get(name));
  const announced = { request, callId, arrivedMs, deadline };
  if (call.method === "GET") return { ...announced, toBody: takeParameters(call, bytesMax) };

  const isFramed = FRAMED.test(contentType);
  const encodingHeader = isGrpc
    ? "grpc-encoding"
    : isFramed
      ? "connect-content-encoding"
      : "content-encoding";
  const encoding = takeEncoding(call.header, encodingHeader);
  const format = /json\b/.test(contentType) ? "json" : "binary";
  const form: Form = { format, isFramed, encoding, bytesMax };
  call.body = createAsyncIterable(standIn(form, streamsRequests));
  call.header.delete("content-length");
  return { ...announced, toBody: (signal) => createHttpBody(request, form, signal) };
}

/** Returns the encoding of a request, if it is supported; Connect answers the others. */
function takeEncoding(header: Headers, name: string): Encoding | undefined {
  const encoding = findEncoding(ENCODINGS, header.get(name));
  if (encoding !== undefined) header.delete(name);
  return encoding;
}

/** The bytes of an empty request. */
function standIn({ format, isFramed }: Form, streamsRequests: boolean): Uint8Array[] {
  const message = Buffer.from(format === "json" ? "{}" : "");
  if (!isFramed) return [message];
  return streamsRequests ? [] : [encodeEnvelope(0, message)];
}

/** Takes the message from the parameters of a GET. */
function takeParameters(call: UniversalServerRequest, bytesMax: number): () => Body {
  const url = new URL(call.url);
  const parameters = new URLSearchParams(url.search);
  const compression = parameters.get("compression");
  const encoding = findEncoding(ENCODINGS, compression);
  const format = parameters.get("encoding") === "json" ? "json" : "binary";
  url.searchParams.delete("base64");
  if (encoding) url.searchParams.delete("compression");
  url.searchParams.set("message", format === "json" ? "{}" : "");
  Object.assign(call, { url: url.toString() });
  return () => createGetBody(parameters, { format, isFramed: false, encoding, bytesMax });
}
