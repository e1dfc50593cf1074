import { constants, type ServerHttp2Stream } from "node:http2";
import { type DescMessage, type Message, toBinary } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel as Idempotency } from "@bufbuild/protobuf/wkt";
import { ConnectError } from "@connectrpc/connect";
import {
  type Metadata,
  type MethodDefinition,
  type ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
  status as Status,
  type UntypedHandleCall,
} from "@grpc/grpc-js";
import { DomainError } from "../db/errors.ts";
import type { Arrival, Arrivals } from "./grpc-arrivals.ts";
import { createGrpcBody } from "./grpc-requests.ts";
import { toPath, toStatus } from "./grpc-status.ts";
import { callerLeft } from "./lifetime.ts";
import type { Method } from "./pipeline.ts";
import type { Refused } from "./refusals.ts";
import { explain, toConnectError } from "./status.ts";
import { unreadAnswers, type UnreadAnswers } from "./unread.ts";

const { NGHTTP2_CANCEL, NGHTTP2_NO_ERROR } = constants;

/** A method as grpc-js has it: messages are bytes to it. */
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

/** What grpc-js has registered for a method and never calls: its interceptor answers. */
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
 * Serves the calls of the methods. It is an interceptor, since grpc-js calls the handlers of most methods
 * only when their requests are whole, and interceptors when the headers are there: by then callers are to be
 * authenticated and deadlines to run.
 */
export function createServing(methods: readonly Method[], serving: Serving): ServerInterceptor {
  const byPath = new Map(methods.map((method) => [toPath(method), method]));
  return ({ path }, call) => {
    const { start } = call;
    const listener = serveCall(byPath.get(path)!, call, serving.arrivals.latest(), serving);
    call.start = () => start.call(call, listener);
    // What an interceptor returns is only typed as the class that most of them make.
    return call as ServerInterceptingCall;
  };
}

/** What grpc-js tells an interceptor. */
type Listener = Parameters<ServerInterceptingCallInterface["start"]>[0];

/** Serves one call; the listener is for grpc-js to tell of its beginning, its messages and its end. */
function serveCall(
  method: Method,
  call: ServerInterceptingCallInterface,
  arrival: Arrival,
  { unread, refused }: Serving,
): Listener {
  const { stream, deadline } = arrival;
  const { handler } = method;
  const connection = stream.session ?? stream;
  const controller = new AbortController();
  const deadlineMs = deadline instanceof DomainError ? Infinity : deadline;
  const body = createGrpcBody(method, call, arrival, (reason) => controller.abort(reason));
  const answer = createAnswer(call, stream, body.stop, controller);

  /** Resolves when the message is on its way or the call is over. */
  const write = (message: Message): Promise<void> => {
    const bytes = serialize(method.desc.output, message);
    const taken = unread.hold(connection, bytes.length, () => stream.close(NGHTTP2_CANCEL));
    if (taken) return answer.write(bytes, taken);
    // What has happened must be told, and what only reads can be asked for again.
    if (method.desc.idempotency !== Idempotency.NO_SIDE_EFFECTS) return answer.write(bytes, () => {});
    const error = toConnectError(unreadAnswers());
    refused(error);
    answer.finish(error);
    return Promise.resolve();
  };
  const begin = async (metadata: Metadata): Promise<void> => {
    if (deadline instanceof DomainError) controller.abort(deadline);
    const header = (name: string): string | null => metadata.get(name)[0]?.toString() ?? null;
    const incoming = { door: "grpc", header, deadlineMs, controller, connection, body } as const;
    try {
      if (handler.answers === "once") await write(await handler.call(incoming));
      else {
        for await (const message of handler.call(incoming)) {
          if (answer.isOver()) return;
          await write(message);
        }
      }
      answer.finish();
    } catch (error) {
      answer.finish(error as ConnectError);
    }
  };
  return {
    onReceiveMetadata: (metadata) => void begin(metadata),
    onReceiveMessage: body.deliver,
    onReceiveHalfClose: body.deliverEnd,
    onCancel() {
      if (!answer.isOver()) controller.abort(callerLeft(deadlineMs));
      answer.leave();
    },
  };
}

/** The answer of a call, of which the first end counts. */
type Answer = {
  readonly write: (bytes: Buffer, taken: () => void) => Promise<void>;
  readonly finish: (error?: ConnectError) => void;
  readonly isOver: () => boolean;
  /** Nobody takes what has been written. */
  readonly leave: () => void;
};

function createAnswer(
  call: ServerInterceptingCallInterface,
  stream: ServerHttp2Stream,
  stop: (reason: unknown) => void,
  controller: AbortController,
): Answer {
  const send = call.sendStatus.bind(call);
  let isOver = false;
  let wake = (): void => {};
  const finish = (error?: ConnectError): void => {
    if (isOver) return;
    isOver = true;
    const sentBefore = stream.headersSent;
    send(error ? toStatus(error) : { code: Status.OK, details: "OK" });
    closeUnread(stream, sentBefore);
    stop(error);
    wake();
  };
  // By it grpc-js answers what it raises by itself, such as a message above its limit.
  call.sendStatus = ({ code, details }) => {
    if (isOver) return;
    const error = explain(new ConnectError(details ?? "", code as number));
    controller.abort(error);
    finish(error);
  };
  return {
    finish,
    isOver: () => isOver,
    leave: () => wake(),
    write: (bytes, taken) =>
      new Promise((resolve) => {
        wake = () => {
          taken();
          resolve();
        };
        if (isOver) wake();
        else call.sendMessage(bytes, wake);
      }),
  };
}

/** Ends a stream that has been answered although its caller is still sending, and would go on to. */
function closeUnread(stream: ServerHttp2Stream, sentBefore: boolean): void {
  if (stream.readableEnded || stream.destroyed) return;
  const close = (): void => {
    if (!stream.readableEnded) stream.close(NGHTTP2_NO_ERROR);
  };
  // Behind messages the status follows when they have been sent; without any, it is on its way.
  if (sentBefore) stream.once("wantTrailers", () => setImmediate(close));
  else close();
}

function serialize(schema: DescMessage, message: Message): Buffer {
  const bytes = toBinary(schema, message);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
