import type { DescMethodBiDiStreaming, DescMethodUnary, Message } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  createConnectRouter,
  createContextKey,
  createContextValues,
  type HandlerContext,
  type MethodImpl,
} from "@connectrpc/connect";
import {
  compressionBrotli,
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import type { UniversalHandler, UniversalServerRequest } from "@connectrpc/connect/protocol";
import { DomainError } from "../db/errors.ts";
import { readWhole } from "./frames.ts";
import { createJsonReader } from "./json.ts";
import { callerLeft, type Incoming } from "./lifetime.ts";
import type { Method } from "./pipeline.ts";
import { type Refused, type Request, type Response, refuseCall, refuseHttp } from "./refusals.ts";
import type { Requests } from "./requests.ts";
import { errorDetails, explain, toRefusal } from "./status.ts";
import { parseDeadline } from "./timeout.ts";

/** Answers a request. */
export type Serve = (request: Request, response: Response) => void;

/**
 * connect-node's own adapter, but for three things: whatever is refused is refused in words, in the caller's
 * protocol and with an ErrorInfo; a request that cannot be read (an authority that is none) does not end the
 * process; and a caller who leaves is no line on standard error.
 */
export function toServe(methods: readonly Method[], messageBytesMax: number, refused: Refused): Serve {
  const router = createConnectRouter({
    writeMaxBytes: messageBytesMax,
    acceptCompression: [compressionGzip, compressionBrotli],
  });
  for (const method of methods) addMethod(router, method);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));

  return (request, response) => {
    const path = request.url?.split("?", 1)[0] ?? "";
    const handler = handlers.get(path);
    if (!handler) {
      const error = toRefusal(Code.Unimplemented, "UNKNOWN_METHOD", `there is no method ${path}`);
      return refuseCall(request, response, 404, error, refused);
    }
    if (request.httpVersionMajor < 2 && handler.method.methodKind === "bidi_streaming") {
      // What the caller is about to send is not read.
      response.setHeader("connection", "close");
      const words = `${path} streams in both directions, which needs HTTP/2`;
      return refuseCall(request, response, 505, toRefusal(Code.Unimplemented, "NEEDS_HTTP2", words), refused);
    }
    let universal: ReturnType<typeof universalRequestFromNodeRequest>;
    try {
      universal = universalRequestFromNodeRequest(request, response, undefined, undefined);
    } catch {
      const error = toRefusal(Code.InvalidArgument, "MALFORMED_HTTP", "the authority (Host) names no host");
      return refuseHttp(request, response, 400, error, refused);
    }
    prepare(universal);
    handler(universal)
      .then((answer) => {
        if (answer.status === 405 || answer.status === 415)
          return refuseForm(request, response, handler, refused);
        return universalResponseToNodeResponse(answer, response);
      })
      // Errors of calls are answers; what arrives here is a connection that broke under one.
      .catch(() => response.destroy());
  };
}

/** The content types of requests whose messages stand behind prefixes. */
const ENVELOPES = /^application\/(grpc|connect\+)/;

/** When the caller stops waiting, or why its timeout is none. */
const deadlineKey = createContextKey<number | DomainError>(Infinity);

/** Reads what connect-node would misread: the timeout of a call, and a body that ends within a message. */
function prepare(call: UniversalServerRequest): void {
  const contentType = call.header.get("content-type") ?? "";
  const timeout = contentType.startsWith("application/grpc") ? "grpc-timeout" : "connect-timeout-ms";
  const deadline = parseDeadline(timeout, call.header.get(timeout));
  call.header.delete(timeout);
  call.contextValues = createContextValues().set(deadlineKey, deadline);
  if (ENVELOPES.test(contentType)) call.body = readWhole(call.body as AsyncIterable<Uint8Array>);
}

/** Answers a request that has the wrong HTTP method or content type for its method. */
function refuseForm(
  request: Request,
  response: Response,
  { method: { methodKind }, allowedMethods, requestPath }: UniversalHandler,
  refused: Refused,
): void {
  if (!request.method || !allowedMethods.includes(request.method)) {
    const verbs = allowedMethods.join(", ");
    response.setHeader("allow", verbs);
    const error = toRefusal(Code.Unimplemented, "METHOD_NOT_ALLOWED", `${requestPath} is called by ${verbs}`);
    return refuseHttp(request, response, 405, error, refused);
  }
  const prefix = methodKind === "unary" ? "application/" : "application/connect+";
  const types = [`${prefix}json`, `${prefix}proto`, "application/grpc", "application/grpc-web"].join(", ");
  const words =
    request.method === "GET"
      ? "a GET has its request in the parameters encoding (json or proto) and message"
      : `the content-type must be one of ${types}`;
  refuseHttp(request, response, 415, toRefusal(Code.Unimplemented, "UNSUPPORTED_MEDIA_TYPE", words), refused);
}

function addMethod(router: ConnectRouter, method: Method): void {
  const { desc, requestBytesMax, handler } = method;
  const begun = new WeakSet<AbortSignal>();
  const implementation = (
    requests: Requests,
    context: HandlerContext,
  ): Promise<Message> | AsyncIterable<Message> => {
    begun.add(context.signal);
    return handler.call(requests, toIncoming(context));
  };
  const jsonOptions = {
    // A misspelt field or enum value would be dropped in silence, and the call do something else.
    ignoreUnknownFields: false,
    registry: errorDetails,
    textDecoder: createJsonReader(desc.input),
  };
  // One signature for all four kinds; the router tells them apart by the descriptor.
  router.rpc(
    desc as DescMethodUnary,
    implementation as MethodImpl<DescMethodUnary | DescMethodBiDiStreaming> as never,
    {
      readMaxBytes: requestBytesMax,
      jsonOptions,
      requestGate: (context) => explainFailure(method, context, begun),
    },
  );
}

/**
 * Gives an ErrorInfo to the error that ends a call although its handler has not raised it: it was never
 * called, because there was no sound request, or its answer cannot be written. Connect has no place for that
 * but this one: it aborts the call's signal with the error that it is about to answer.
 */
function explainFailure(
  { refuse }: Method,
  { signal, requestHeader }: HandlerContext,
  begun: WeakSet<AbortSignal>,
): void {
  const onEnd = (): void => {
    const isBegun = begun.has(signal);
    if (isBegun && !(signal.reason instanceof ConnectError)) return;
    const error = explain(ConnectError.from(signal.reason));
    if (!isBegun) refuse(error, { door: "http", header: (name) => requestHeader.get(name) });
  };
  signal.addEventListener("abort", onEnd, { once: true });
}

function toIncoming(context: HandlerContext): Incoming {
  const deadline = context.values.get(deadlineKey);
  const controller = new AbortController();
  const deadlineMs = deadline instanceof DomainError ? Infinity : deadline;
  const leave = (): void => controller.abort(callerLeft(deadlineMs));
  if (deadline instanceof DomainError) controller.abort(deadline);
  if (context.signal.aborted) leave();
  else context.signal.addEventListener("abort", leave, { once: true });
  return { door: "http", header: (name) => context.requestHeader.get(name), deadlineMs, controller };
}
