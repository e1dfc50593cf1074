import { constants, type ServerHttp2Stream } from "node:http2";
import { MethodOptions_IdempotencyLevel as Idempotency } from "@bufbuild/protobuf/wkt";
import { ConnectError } from "@connectrpc/connect";
import {
  Metadata,
  type MethodDefinition,
  type ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
  status as Status,
  type UntypedHandleCall,
} from "@grpc/grpc-js";
import { DomainError } from "../errors.ts";
import { CallId, callIdHeader } from "../telemetry/call-id.ts";
import { type Answer, encode } from "./encoding.ts";
import type { Arrival, Arrivals } from "./grpc-arrivals.ts";
import { GrpcBody } from "./grpc-requests.ts";
import { toPath, toStatus } from "./grpc-status.ts";
import { callerLeft, type Incoming } from "./lifetime.ts";
import type { Method } from "./pipeline.ts";
import type { Refused } from "./refusals.ts";
import { explain, toConnectError } from "./status.ts";
import { type UnreadAnswer, unreadAnswers, type UnreadAnswers } from "./unread.ts";

const { NGHTTP2_CANCEL, NGHTTP2_NO_ERROR } = constants;

/** The definition of a method for grpc-js, which treats messages as bytes. */
export function toDefinition(method: Method): MethodDefinition<Uint8Array, Buffer> {
  const same = <T>(bytes: T): T => bytes;
  return {
    path: toPath(method),
    requestStream: method.streamsRequests,
    responseStream: method.handler.answers === "stream",
    requestSerialize: (bytes) => Buffer.from(bytes),
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
}

/** The handler registered with grpc-js, never called: the interceptor answers. */
export const unreached: UntypedHandleCall = () => {
  throw new Error("the interceptor has answered");
};

/** What all calls of a server share. */
type Serving = {
  readonly arrivals: Arrivals;
  readonly unread: UnreadAnswers;
  readonly refused: Refused;
};

/**
 * Serves the methods by an interceptor: grpc-js calls the handlers of most methods only when the whole
 * request has arrived, but interceptors at the headers, when callers must be authenticated and deadlines must
 * start.
 */
export function createServing(methods: readonly Method[], serving: Serving): ServerInterceptor {
  const byPath = new Map(methods.map((method) => [toPath(method), method]));
  return ({ path }, call) => {
    const { start } = call;
    const served = new GrpcCall(byPath.get(path)!, call, serving.arrivals.latest(), serving);
    // Functions are constants first: see sessions.ts.
    const startServed = (): void => start.call(call, served);
    call.start = startServed;
    // The type demands the class that most interceptors return.
    return call as ServerInterceptingCall;
  };
}

/** grpc-js' listener for the events of a call. */
type CallListener = Parameters<ServerInterceptingCallInterface["start"]>[0];

/**
 * One call; grpc-js calls it for the beginning, the messages and the end. A class, since closures for each
 * call would take a tenth of a read's processor time.
 */
class GrpcCall implements CallListener {
  readonly #method: Method;
  readonly #call: ServerInterceptingCallInterface;
  readonly #arrival: Arrival;
  readonly #serving: Serving;
  readonly #connection: object;
  readonly #controller = new AbortController();
  readonly #body: GrpcBody;
  readonly #send: ServerInterceptingCallInterface["sendStatus"];
  #callId: CallId | undefined;
  #isOver = false;
  /** Resumes the writer when the last message was taken, or never will be. */
  #taken: () => void = () => {};
  #unread: UnreadAnswer | undefined;

  constructor(method: Method, call: ServerInterceptingCallInterface, arrival: Arrival, serving: Serving) {
    this.#method = method;
    this.#call = call;
    this.#arrival = arrival;
    this.#serving = serving;
    this.#connection = arrival.stream.session ?? arrival.stream;
    const refuse = (reason: unknown): void => this.#controller.abort(reason);
    this.#body = new GrpcBody(call, arrival, method.requestBytesMax, refuse);
    this.#send = call.sendStatus;
    const refuseByGrpcJs: ServerInterceptingCallInterface["sendStatus"] = ({ code, details }) => {
      if (this.#isOver) return;
      const connectCode: number = code;
      const error = explain(new ConnectError(details ?? "", connectCode));
      this.#controller.abort(error);
      this.#finish(error);
    };
    // grpc-js also answers the errors that it raises itself through this function, such as a message above
    // its limit.
    call.sendStatus = refuseByGrpcJs;
  }

  onReceiveMetadata(metadata: Metadata): void {
    const { deadline } = this.#arrival;
    if (deadline instanceof DomainError) this.#controller.abort(deadline);
    const header = (name: string): string | null => metadata.get(name)[0]?.toString() ?? null;
    this.#callId = new CallId(header);
    const incoming: Incoming = {
      listener: "grpc",
      header,
      callId: this.#callId,
      arrivedMs: this.#arrival.arrivedMs,
      deadlineMs: this.#deadlineMs(),
      controller: this.#controller,
      connection: this.#connection,
      body: this.#body,
      hasRoom: () => this.#serving.unread.hasRoom(this.#connection),
    };
    const { handler } = this.#method;
    // Also what an answer throws that cannot be encoded.
    const fail = (reason: unknown): void => this.#finish(toConnectError(reason));
    if (handler.answers === "stream") this.#writeAll(handler.call(incoming)).catch(fail);
    else
      handler
        .call(incoming)
        .then((answer) => this.#write(answer, () => this.#finish()))
        .catch(fail);
  }

  onReceiveMessage(message: Uint8Array): void {
    this.#body.deliver(message);
  }

  onReceiveHalfClose(): void {
    this.#body.deliver(undefined);
  }

  onCancel(): void {
    if (!this.#isOver) this.#controller.abort(callerLeft(this.#deadlineMs()));
    this.#release();
  }

  #deadlineMs(): number {
    const { deadline } = this.#arrival;
    return deadline instanceof DomainError ? Infinity : deadline;
  }

  /**
   * Writes each answer after the reader has taken the one before, so that a slow reader holds back the
   * handler.
   */
  async #writeAll(answers: AsyncIterable<Answer>): Promise<void> {
    for await (const answer of answers) {
      if (this.#isOver) return;
      await new Promise<void>((resolve) => this.#write(answer, resolve));
    }
    this.#finish();
  }

  /** Calls `next` when the message has been sent or the call is over. */
  #write(answer: Answer, next: () => void): void {
    const { unread, refused } = this.#serving;
    const { desc } = this.#method;
    const bytes = encode(desc.output, answer);
    this.#taken = next;
    if (this.#isOver) return this.#release();
    const cut = (): void => this.#arrival.stream.close(NGHTTP2_CANCEL);
    this.#unread = unread.hold(this.#connection, bytes.length, cut);
    // The answer to a change must be sent; a read can be repeated.
    if (desc.idempotency !== Idempotency.NO_SIDE_EFFECTS)
      this.#unread ??= unread.hold(this.#connection, 0, cut);
    if (this.#unread) {
      this.#announce();
      return this.#call.sendMessage(bytes, () => this.#release());
    }
    const error = toConnectError(unreadAnswers());
    refused(error);
    this.#finish(error);
  }

  /** Sends the headers of the answer, where grpc-js would send some of its own without the call's id. */
  #announce(): void {
    if (!this.#callId?.isKnown || this.#arrival.stream.headersSent) return;
    const metadata = new Metadata();
    metadata.set(callIdHeader, this.#callId.value);
    this.#call.sendMetadata(metadata);
  }

  #release(): void {
    if (this.#unread) this.#serving.unread.release(this.#unread);
    this.#unread = undefined;
    this.#taken();
  }

  /** Ends the call; only the first end counts. */
  #finish(error?: ConnectError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { stream } = this.#arrival;
    const sentBefore = stream.headersSent;
    this.#send.call(this.#call, error ? toStatus(error, this.#callId?.value) : OK);
    if (!stream.readableEnded) closeUnread(stream, sentBefore);
    this.#body.stop(error);
    this.#release();
  }
}

const OK = { code: Status.OK, details: "OK" };

/** Ends a stream that has been answered while its caller is still sending and would continue. */
function closeUnread(stream: ServerHttp2Stream, sentBefore: boolean): void {
  const close = (): void => {
    if (!stream.readableEnded && !stream.destroyed) stream.close(NGHTTP2_NO_ERROR);
  };
  // After messages the status follows when they have been sent; without messages it is already on its way.
  if (sentBefore) stream.once("wantTrailers", () => setImmediate(close));
  else close();
}
