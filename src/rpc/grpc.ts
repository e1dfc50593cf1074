import { type DescMessage, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import { Code, type ConnectError } from "@connectrpc/connect";
import {
  logVerbosity,
  type MethodDefinition,
  type sendUnaryData,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerOptions,
  type ServerUnaryCall,
  setLogVerbosity,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import type { Address } from "../config.ts";
import { callerLeft, type Incoming } from "./lifetime.ts";
import { startFront } from "./front.ts";
import { explainStatuses, ONLY_GRPC, refuseOthers, toPath, toStatus } from "./grpc-status.ts";
import type { Door } from "./listen.ts";
import type { Method, Requests } from "./pipeline.ts";
import { refuseBytes } from "./refusals.ts";
import { splitRows, type Unread } from "./rows.ts";
import type { Protocol } from "./sniff.ts";
import { MALFORMED_REQUEST, toRefusal, toTooLarge } from "./status.ts";
import type { Telemetry } from "./telemetry.ts";
import type { Tls } from "./tls.ts";

type UnaryCall = ServerUnaryCall<Message, Message>;
type StreamCall = ServerDuplexStream<Message, Message> & { readonly request: Message };

const OPTIONS: ServerOptions = {
  // A peer that is gone without a word is noticed after a minute and ten seconds; balancers and NATs keep a
  // connection that is used once a minute.
  "grpc.keepalive_time_ms": 60_000,
  "grpc.keepalive_timeout_ms": 10_000,
  // Callers reconnect every five minutes (± 10 %), so that a new replica gets its share of them. The grace
  // is the longest deadline of a stream: a rotation cuts no call.
  "grpc.max_connection_age_ms": 300_000,
  "grpc.max_connection_age_grace_ms": 3_600_000,
  // Calls one connection may have open; more wait at the client. Bounds what one peer can make us hold.
  "grpc.max_concurrent_streams": 256,
};

/** Serves the methods over gRPC: in the clear, or over TLS. Fails with one clear line if it cannot listen. */
export async function startGrpcDoor(
  methods: readonly Method[],
  options: {
    readonly address: Address;
    readonly messageBytesMax: number;
    readonly refused: Telemetry["refused"];
    readonly tls?: Tls | undefined;
  },
): Promise<Door> {
  const { address, messageBytesMax, tls } = options;
  const refused = (error: ConnectError): void => options.refused("grpc", error);
  const credentials = tls?.grpcCredentials() ?? ServerCredentials.createInsecure();
  // What grpc-js has to say it says to us, too, by callbacks; its own lines would stand between ours.
  setLogVerbosity(logVerbosity.NONE);
  const server = new Server({
    ...OPTIONS,
    interceptors: [explainStatuses(methods)],
    // One limit for all methods, and each has its own: what is above that one is refused when it has been
    // read.
    "grpc.max_receive_message_length": Math.max(...methods.map(({ requestBytesMax }) => requestBytesMax)),
    "grpc.max_send_message_length": messageBytesMax,
  });
  refuseOthers(server, methods, refused);
  const definitions = methods.map((method) => [toPath(method), toDefinition(method)] as const);
  const handlers = methods.map((method) => [toPath(method), toHandler(method)] as const);
  server.addService(
    Object.fromEntries(definitions),
    Object.fromEntries(handlers) as UntypedServiceImplementation,
  );
  const injector = server.createConnectionInjector(credentials);
  const front = await startFront({ address, variable: "GRPC_ADDR" }, (socket, protocol) => {
    if (protocol === (tls ? "tls" : "h2")) return injector.injectConnection(socket);
    const [status, error] = toMisplaced(protocol, tls !== undefined);
    return refuseBytes(socket, status, error, refused);
  });

  return {
    address: front.address,
    async drain(graceMs) {
      let finished = true;
      const timer = setTimeout(() => {
        finished = false;
        server.forceShutdown();
        front.destroy();
      }, graceMs);
      // GOAWAY on every connection. grpc-js waits only for connections that it has accepted itself, so that
      // its callback says nothing of these: each ends after its last answer.
      server.tryShutdown(() => {});
      await front.close(0);
      clearTimeout(timer);
      return finished;
    },
    async [Symbol.asyncDispose]() {
      server.forceShutdown();
      front.destroy();
      await front.close(0);
    },
  };
}

/** What is said to a connection that speaks something else. */
function toMisplaced(protocol: Protocol, secure: boolean): [status: number, error: ConnectError] {
  if (secure) return [400, toRefusal(Code.InvalidArgument, "NEEDS_TLS", "this port speaks TLS")];
  if (protocol === "tls") return [400, toRefusal(Code.InvalidArgument, "NO_TLS", "this port speaks no TLS")];
  return [505, toRefusal(Code.Unimplemented, "NEEDS_HTTP2", ONLY_GRPC)];
}

// Stand for requests that are refused when they are read: an exception there grpc-js answers with INTERNAL.
const TOO_LARGE: Message = { $typeName: "" };
const MALFORMED: Message = { $typeName: "" };

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

function toDefinition(method: Method): MethodDefinition<Message, Message> {
  const { desc, requestBytesMax } = method;
  return {
    path: toPath({ desc }),
    requestStream: desc.methodKind === "client_streaming" || desc.methodKind === "bidi_streaming",
    responseStream: desc.methodKind === "server_streaming" || desc.methodKind === "bidi_streaming",
    requestSerialize: (message) => serialize(desc.input, message),
    requestDeserialize: (bytes) => (bytes.length > requestBytesMax ? TOO_LARGE : deserialize(method, bytes)),
    responseSerialize: (message) => serialize(desc.output, message),
    responseDeserialize: (bytes) => fromBinary(desc.output, bytes),
  };
}

function serialize(schema: DescMessage, message: Message): Buffer {
  const bytes = toBinary(schema, message);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function toHandler({ desc, requestBytesMax, handler, refuse }: Method) {
  const streamsRequests = desc.methodKind === "client_streaming" || desc.methodKind === "bidi_streaming";
  const refusals: Refusals = new Map([
    [TOO_LARGE, toTooLarge(requestBytesMax)],
    [MALFORMED, toRefusal(Code.InvalidArgument, MALFORMED_REQUEST, "the request is not of this method")],
  ]);
  const toRequests = (call: StreamCall): Requests =>
    streamsRequests ? readRequests(call, refusals) : call.request;

  if (handler.answers === "stream") {
    return (call: StreamCall): void => {
      const refusal = refusals.get(call.request);
      const incoming = toIncoming(call);
      if (refusal) return void call.emit("error", toStatus(refuse(refusal, incoming)));
      void writeAll(call, handler.call(toRequests(call), incoming), incoming);
    };
  }
  return (call: UnaryCall, respond: sendUnaryData<Message>): void => {
    const refusal = refusals.get(call.request);
    const incoming = toIncoming(call);
    if (refusal) return respond(toStatus(refuse(refusal, incoming)));
    const leave = (): void => incoming.controller.abort(callerLeft(incoming.deadlineMs));
    // grpc-js says "cancelled" also after each answer that it has sent; by then nobody must listen.
    call.once("cancelled", leave);
    const answer = (error: ConnectError | null, message?: Message): void => {
      call.off("cancelled", leave);
      respond(error && toStatus(error), message);
    };
    void handler
      .call(toRequests(call as StreamCall), incoming)
      .then((message) => answer(null, message), answer);
  };
}

/** What the stand-ins for requests mean. */
type Refusals = ReadonlyMap<Message, ConnectError>;

async function* readRequests(call: StreamCall, refusals: Refusals): AsyncGenerator<Message> {
  // Not the stream itself: its own iterator would destroy the stream, and with it the answer, when a handler
  // stops reading early.
  for await (const request of call.iterator({ destroyOnReturn: false }) as AsyncIterable<Message>) {
    const refusal = refusals.get(request);
    if (refusal) throw refusal;
    yield request;
  }
}

function toIncoming(call: UnaryCall | StreamCall): Incoming {
  const deadline = call.getDeadline();
  const rows = unreadRows.get(call.request);
  return {
    door: "grpc",
    header: (name) => call.metadata.get(name)[0]?.toString() ?? null,
    deadlineMs: typeof deadline === "number" ? deadline : deadline.getTime(),
    controller: new AbortController(),
    ...(rows && { rows }),
  };
}

/**
 * Writes each answer when the reader has room for it, so that a slow reader holds the handler and not our
 * memory.
 */
async function writeAll(
  call: StreamCall,
  answers: AsyncIterable<Message>,
  incoming: Incoming,
): Promise<void> {
  const { controller, deadlineMs } = incoming;
  call.once("cancelled", () => controller.abort(callerLeft(deadlineMs)));
  try {
    for await (const answer of answers) {
      if (!call.write(answer)) await drained(call, controller.signal);
    }
    call.end();
  } catch (error) {
    call.emit("error", toStatus(error as ConnectError));
  }
}

/** Waits until the stream takes more or the call is over, and leaves no listener behind. */
function drained(call: StreamCall, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      call.off("drain", done).off("close", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    call.on("drain", done).on("close", done);
    signal.addEventListener("abort", done);
    if (signal.aborted) done();
  });
}
