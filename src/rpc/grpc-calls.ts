import { type DescMessage, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import type { MethodDefinition, sendUnaryData, ServerDuplexStream, ServerUnaryCall } from "@grpc/grpc-js";
import { DomainError } from "../db/errors.ts";
import { cutOff } from "./frames.ts";
import type { Arrival, Arrivals } from "./grpc-arrivals.ts";
import { toPath, toStatus } from "./grpc-status.ts";
import { callerLeft, type Incoming } from "./lifetime.ts";
import type { Method } from "./pipeline.ts";
import type { Requests } from "./requests.ts";
import { splitRows, type Unread } from "./rows.ts";
import { MALFORMED_REQUEST, tooLarge } from "./status.ts";

type UnaryCall = ServerUnaryCall<Message, Message>;
type StreamCall = ServerDuplexStream<Message, Message> & { readonly request: Message };

// Stand for requests that are refused when they are read: an exception there grpc-js answers with INTERNAL.
const TOO_LARGE: Message = { $typeName: "" };
/** Stands for a request that is not a message of its method. */
export const MALFORMED: Message = { $typeName: "" };

/** What the stand-ins for requests mean. */
type Refusals = ReadonlyMap<Message, DomainError>;

function toRefusals({ requestBytesMax }: Method): Refusals {
  return new Map([
    [TOO_LARGE, tooLarge(requestBytesMax)],
    [MALFORMED, new DomainError("invalid", MALFORMED_REQUEST, "the request is not a message of this method")],
  ]);
}

/** The rows of requests that have been read but for these. */
const unreadRows = new WeakMap<Message, Unread["rows"]>();

function deserialize({ desc, rowsField }: Method, bytes: Uint8Array): Message {
  try {
    if (rowsField === undefined) return fromBinary(desc.input, bytes);
    const { message, rows } = splitRows(desc.input, rowsField, bytes);
    unreadRows.set(message, rows);
    return message;
  } catch {
    return MALFORMED;
  }
}

/** A method as grpc-js has it. */
export function toDefinition(method: Method): MethodDefinition<Message, Message> {
  const { desc, requestBytesMax } = method;
  return {
    path: toPath({ desc }),
    requestStream: streamsRequests(method),
    responseStream: desc.methodKind === "server_streaming" || desc.methodKind === "bidi_streaming",
    requestSerialize: (message) => serialize(desc.input, message),
    requestDeserialize: (bytes) => (bytes.length > requestBytesMax ? TOO_LARGE : deserialize(method, bytes)),
    responseSerialize: (message) => serialize(desc.output, message),
    responseDeserialize: (bytes) => fromBinary(desc.output, bytes),
  };
}

function streamsRequests({ desc }: Method): boolean {
  return desc.methodKind === "client_streaming" || desc.methodKind === "bidi_streaming";
}

function serialize(schema: DescMessage, message: Message): Buffer {
  const bytes = toBinary(schema, message);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** What grpc-js calls for a method. */
export function toHandler(method: Method, arrivals: Arrivals) {
  const { handler } = method;
  const refusals = toRefusals(method);
  const readsMany = streamsRequests(method);
  const open = (call: UnaryCall | StreamCall): { requests: Requests; incoming: Incoming } => {
    const arrival = arrivals.of(call);
    const incoming = toIncoming(call, arrival);
    if (readsMany) return { requests: readRequests(call as StreamCall, arrival, refusals), incoming };
    const refusal = refusals.get(call.request) ?? (arrival.frames.isCut() ? cutOff : undefined);
    // The pipeline counts it like every other call that fails.
    if (refusal) incoming.controller.abort(refusal);
    return { requests: call.request, incoming };
  };

  if (handler.answers === "stream") {
    return (call: StreamCall): void => {
      const { requests, incoming } = open(call);
      void writeAll(call, handler.call(requests, incoming), incoming);
    };
  }
  return (call: UnaryCall, respond: sendUnaryData<Message>): void => {
    const { requests, incoming } = open(call);
    const leave = (): void => incoming.controller.abort(callerLeft(incoming.deadlineMs));
    // grpc-js says "cancelled" also after each answer that it has sent; by then there must be no listener.
    call.once("cancelled", leave);
    const answer = (error: ConnectError | null, message?: Message): void => {
      call.off("cancelled", leave);
      respond(error && toStatus(error), message);
    };
    void handler.call(requests, incoming).then((message) => answer(null, message), answer);
  };
}

/**
 * The requests as they arrive. Not by the stream's own iterator: grpc-js is told the status of a call by
 * emitting it as an error, which the iterator takes for one of the stream and destroys that; the status would
 * never leave.
 */
async function* readRequests(
  call: StreamCall,
  { frames }: Arrival,
  refusals: Refusals,
): AsyncGenerator<Message> {
  let wake = (): void => {};
  const look = (): void => wake();
  call.on("readable", look).on("end", look).on("close", look);
  try {
    for (;;) {
      const request = call.read() as Message | null;
      if (request !== null) {
        const refusal = refusals.get(request);
        if (refusal) throw refusal;
        yield request;
      } else if (call.readableEnded) {
        if (frames.isCut()) throw cutOff;
        return;
      } else if (call.destroyed) {
        throw callerLeft(Infinity);
      } else {
        await new Promise<void>((resolve) => (wake = resolve));
      }
    }
  } finally {
    call.off("readable", look).off("end", look).off("close", look);
  }
}

function toIncoming(call: UnaryCall | StreamCall, { deadline }: Arrival): Incoming {
  const rows = unreadRows.get(call.request);
  const controller = new AbortController();
  if (deadline instanceof DomainError) controller.abort(deadline);
  return {
    door: "grpc",
    header: (name) => call.metadata.get(name)[0]?.toString() ?? null,
    deadlineMs: deadline instanceof DomainError ? Infinity : deadline,
    controller,
    ...(rows && { rows }),
  };
}

/** Writes each answer when its reader has taken the one before, so that a slow reader holds the handler. */
async function writeAll(
  call: StreamCall,
  answers: AsyncIterable<Message>,
  { controller, deadlineMs }: Incoming,
): Promise<void> {
  call.once("cancelled", () => controller.abort(callerLeft(deadlineMs)));
  try {
    for await (const answer of answers) await write(call, answer, controller.signal);
    call.end();
  } catch (error) {
    call.emit("error", toStatus(error as ConnectError));
  }
}

/** Resolves when the answer is on its way or the call is over, and leaves no listener behind. */
function write(call: StreamCall, answer: Message, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      call.off("close", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    call.on("close", done);
    signal.addEventListener("abort", done);
    if (signal.aborted) done();
    else call.write(answer, done);
  });
}
