import type { DescMethodBiDiStreaming, DescMethodUnary } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel as Idempotency } from "@bufbuild/protobuf/wkt";
import {
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
import {
  createAsyncIterable,
  type UniversalHandler,
  type UniversalServerResponse,
} from "@connectrpc/connect/protocol";
import type { Cors } from "./cors.ts";
import { DomainError } from "../errors.ts";
import type { Answer } from "./encoding.ts";
import { type Announced, announce } from "./http-forms.ts";
import { endUnread } from "./http-requests.ts";
import { callerLeft, type Incoming } from "./lifetime.ts";
import type { Arrived } from "../telemetry/arrived.ts";
import { callIdHeader } from "../telemetry/call-id.ts";
import type { Method } from "./pipeline.ts";
import { type Refused, type Request, type Response, refuseCall, refuseHttp } from "./refusals.ts";
import { errorDetails, explain, toConnectError, toRefusal } from "./status.ts";
import { type UnreadAnswer, unreadAnswers, type UnreadAnswers } from "./unread.ts";

/** Answers an HTTP request. */
export type Serve = (request: Request, response: Response) => void;

/** What all calls of a server share. */
type Serving = {
  readonly messageBytesMax: number;
  readonly unread: UnreadAnswers;
  readonly refused: Refused;
  readonly cors: Cors;
};

/**
 * Adapts Connect's handlers to Node like connect-node's adapter, with four differences. We read the body of a
 * request, after authentication and within the bounds of its method, and Connect gets an empty one. Every
 * refusal is an error in the caller's protocol with an ErrorInfo. A request with an invalid authority does
 * not end the process. A caller that leaves causes no line on standard error.
 */
export function toServe(methods: readonly Method[], serving: Serving): Serve {
  const { refused, cors } = serving;
  const router = createConnectRouter({
    writeMaxBytes: serving.messageBytesMax,
    acceptCompression: [compressionGzip, compressionBrotli],
  });
  for (const method of methods) addMethod(router, method, serving);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  const byDesc = new Map<object, Method>(methods.map((method) => [method.desc, method]));

  const call: Serve = (request, response) => {
    const path = request.url?.split("?", 1)[0] ?? "";
    const handler = handlers.get(path);
    if (!handler) {
      const error = toRefusal("UNKNOWN_METHOD", `there is no method ${path}`);
      return refuseCall(request, response, 404, error, refused);
    }
    if (request.httpVersionMajor < 2 && handler.method.methodKind === "bidi_streaming") {
      // The rest of the request is not read.
      response.setHeader("connection", "close");
      const words = `${path} streams in both directions and needs HTTP/2`;
      return refuseCall(request, response, 505, toRefusal("NEEDS_HTTP2", words), refused);
    }
    let universal: ReturnType<typeof universalRequestFromNodeRequest>;
    try {
      universal = universalRequestFromNodeRequest(request, response, undefined, undefined);
    } catch {
      const error = toRefusal("MALFORMED_HTTP", "the authority (Host) is not a valid host");
      return refuseHttp(request, response, 400, error, refused);
    }
    const method = byDesc.get(handler.method)!;
    const announced = announce(request, universal, method);
    response.setHeader(callIdHeader, announced.callId.value);
    universal.contextValues = createContextValues().set(announcedKey, announced);
    handler(universal)
      .then((answer) => {
        if (answer.status === 405 || answer.status === 415)
          return refuseForm(request, response, handler, refused);
        return respond(request, response, method, answer, serving);
      })
      // Errors of calls become answers; this is a connection that broke.
      .catch(() => response.destroy());
  };

  return (request, response) => {
    endUnread(request, response);
    // A browser or a proxy could keep the answer to a GET.
    response.setHeader("cache-control", "no-store");
    cors(request, response, () => call(request, response));
  };
}

/** The context key of a call's headers. */
const announcedKey = createContextKey<Announced | undefined>(undefined);

/** Sends an answer. Its bytes count as unread until the caller has taken them. */
async function respond(
  request: Request,
  response: Response,
  { desc, handler }: Method,
  answer: UniversalServerResponse,
  { unread, refused }: Serving,
): Promise<void> {
  const connection = connectionOf(request);
  let written: UnreadAnswer | undefined;
  const cut = (): void => void response.destroy();
  const release = (): void => {
    if (written) unread.release(written);
    written = undefined;
  };
  response.once("close", release);
  async function* count(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const bytes of body) {
      const held = unread.hold(connection, bytes.length, cut);
      // The answer to a change must be sent; a read can be repeated.
      if (!held && desc.idempotency === Idempotency.NO_SIDE_EFFECTS) throw toConnectError(unreadAnswers());
      written = held ?? unread.hold(connection, 0, cut);
      yield bytes;
      // The next bytes are requested when these were taken, except for the stream's own buffer.
      release();
    }
    // The end of the answer counts as unread, too.
    written = unread.hold(connection, 1, cut);
  }
  try {
    const body = answer.body && count(handler.answers === "once" ? await readAll(answer.body) : answer.body);
    await universalResponseToNodeResponse({ ...answer, ...(body && { body }) }, response);
  } catch (error) {
    if (response.headersSent || !(error instanceof ConnectError)) throw error;
    refuseCall(request, response, 503, error, refused);
  }
}

/**
 * Collects the bytes of an answer. Connect's iterables keep the message beside its bytes until they are read
 * to the end.
 */
async function readAll(body: AsyncIterable<Uint8Array>): Promise<AsyncIterable<Uint8Array>> {
  const parts: Uint8Array[] = [];
  for await (const bytes of body) parts.push(bytes);
  return createAsyncIterable(parts);
}

/** Answers a request with the wrong HTTP method or content type for its method. */
function refuseForm(
  request: Request,
  response: Response,
  { method: { methodKind }, allowedMethods, requestPath }: UniversalHandler,
  refused: Refused,
): void {
  if (!request.method || !allowedMethods.includes(request.method)) {
    const verbs = allowedMethods.join(", ");
    response.setHeader("allow", verbs);
    const error = toRefusal("METHOD_NOT_ALLOWED", `${requestPath} is called by ${verbs}`);
    return refuseHttp(request, response, 405, error, refused);
  }
  const prefix = methodKind === "unary" ? "application/" : "application/connect+";
  const types = [`${prefix}json`, `${prefix}proto`, "application/grpc", "application/grpc-web"].join(", ");
  const words =
    request.method === "GET"
      ? "a GET needs the parameters encoding (json or proto) and message"
      : `the content-type must be one of ${types}`;
  refuseHttp(request, response, 415, toRefusal("UNSUPPORTED_MEDIA_TYPE", words), refused);
}

function addMethod(router: ConnectRouter, method: Method, { unread }: Serving): void {
  const { desc, handler } = method;
  const begun = new WeakSet<AbortSignal>();
  // Connect's request is the empty placeholder for the one that we read.
  const implementation = (
    _standIn: unknown,
    context: HandlerContext,
  ): Promise<Answer> | AsyncIterable<Answer> => {
    begun.add(context.signal);
    return handler.call(toIncoming(context, unread));
  };
  // One signature for all four kinds; the router distinguishes them by the descriptor.
  router.rpc(
    desc as DescMethodUnary,
    implementation as MethodImpl<DescMethodUnary | DescMethodBiDiStreaming> as never,
    {
      jsonOptions: { registry: errorDetails },
      requestGate: (context) => explainFailure(method, context, begun),
    },
  );
}

/**
 * Adds an ErrorInfo to an error that ended a call but did not come from its handler: the request was not
 * valid, or the answer could not be written. Connect's only hook for this is the call's signal, which it
 * aborts with the error that it is about to answer.
 */
function explainFailure(
  { refuse }: Method,
  { signal, requestHeader, values }: HandlerContext,
  begun: WeakSet<AbortSignal>,
): void {
  const onEnd = (): void => {
    const isBegun = begun.has(signal);
    if (isBegun && !(signal.reason instanceof ConnectError)) return;
    const error = explain(ConnectError.from(signal.reason));
    if (!isBegun) refuse(error, toArrived(requestHeader, values.get(announcedKey)!));
  };
  signal.addEventListener("abort", onEnd, { once: true });
}

function toIncoming(context: HandlerContext, unread: UnreadAnswers): Incoming {
  const announced = context.values.get(announcedKey)!;
  const { request, arrivedMs, deadline, toBody } = announced;
  const controller = new AbortController();
  const connection = connectionOf(request);
  const deadlineMs = deadline instanceof DomainError ? Infinity : deadline;
  const leave = (): void => controller.abort(callerLeft(deadlineMs));
  if (deadline instanceof DomainError) controller.abort(deadline);
  if (context.signal.aborted) leave();
  else context.signal.addEventListener("abort", leave, { once: true });
  return {
    ...toArrived(context.requestHeader, announced),
    arrivedMs,
    deadlineMs,
    controller,
    connection,
    body: toBody(controller.signal),
    hasRoom: () => unread.hasRoom(connection),
  };
}

function toArrived(headers: Headers, { request, callId }: Announced): Arrived {
  const connection = connectionOf(request);
  return { listener: "http", header: (name) => headers.get(name), callId, connection };
}

/** Identifies the connection: the HTTP/2 session, or the socket. */
function connectionOf(request: Request): object {
  return ("stream" in request && request.stream.session) || request.socket;
}
