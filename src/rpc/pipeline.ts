import type { DescMethod, DescService, Message } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import type { Service } from "../call.ts";
import { Health } from "../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionV1Alpha } from "../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import type { Authenticate } from "./auth.ts";
import { findRowsField } from "./elements.ts";
import { answerOnce, answerStream, type Rpc, type Shared } from "./handlers.ts";
import { createLifetimes, goingAway, type Incoming } from "./lifetime.ts";
import { type CallLimits, limitsOf, requestBytesMaxOf } from "./limits.ts";
import { createRequestReader } from "./reading.ts";
import { createIsLarge, createLargeReads } from "./large-reads.ts";
import { createReceipt } from "./receipt.ts";
import { createRequestIds } from "./request-id.ts";
import { createInFlightLimit } from "./in-flight.ts";
import type { Telemetry } from "./telemetry.ts";
import type { RequestValidator } from "./validation.ts";

/** A method with the pipeline around it, for a listener to serve. It fails with ConnectErrors only. */
export type Method = {
  readonly desc: DescMethod;
  /** Counts and logs a call that a listener refuses before the handler is called, and returns the error. */
  readonly refuse: (error: ConnectError, incoming: Pick<Incoming, "listener" | "header">) => ConnectError;
  /** The largest message of a request that is read, before and after decompression. */
  readonly requestBytesMax: number;
  /** Whether its requests are many messages, or one. */
  readonly streamsRequests: boolean;
  /** To be called when the headers of a call are there, before anything of its body is read. */
  readonly handler:
    | { readonly answers: "once"; readonly call: (incoming: Incoming) => Promise<Message> }
    | { readonly answers: "stream"; readonly call: (incoming: Incoming) => AsyncIterable<Message> };
};

/** A service and what implements it. */
export type Binding = { readonly service: DescService; readonly implementation: object };

/** Pairs a service with its implementation; the types must fit. */
export function bind<S extends DescService>(service: S, implementation: Service<S>): Binding {
  return { service, implementation };
}

/** The methods of all services, ready to be served. */
export type Pipeline = {
  readonly methods: readonly Method[];
  /**
   * Ends the streams that would outlast a drain: those that wait for their caller's next request and health
   * watches at once, imports when their chunk has been answered.
   */
  readonly drain: () => void;
  /** Handlers that are running, but for those of probes and reflection. */
  readonly inFlight: () => number;
};

/**
 * What probes and tools call. Asked for no token, never shed, not logged: it must answer when nothing else
 * does.
 */
const INFRASTRUCTURE: ReadonlySet<string> = new Set(
  [Health, ServerReflection, ServerReflectionV1Alpha].map((service) => service.typeName),
);

/**
 * Wraps each method once, for all listeners. From the outside in: unknown errors are masked; the call is
 * counted, timed, logged and traced; its deadline runs from the headers (the caller's, clamped, or the
 * default) and is kept even if the handler ignores its signal; what its request holds is counted; the caller
 * is authenticated; the request is read, bounded by what its method takes; where all places for handlers are
 * taken, or the caller has its share, the call is shed; the request is validated. The deadline stands outside
 * of authentication because that, too, may wait for another server's keys.
 */
export function createPipeline(
  bindings: readonly Binding[],
  options: {
    readonly calls: CallLimits;
    readonly authenticate: Authenticate;
    readonly telemetry: Telemetry;
    readonly validator: RequestValidator;
  },
): Pipeline {
  const { calls, authenticate, telemetry, validator } = options;
  const inFlight = createInFlightLimit(calls, telemetry);
  const receipt = createReceipt();
  const largeReads = createLargeReads();
  telemetry.gauge("rpc_server_request_bytes", "Bytes of requests that are held.", receipt.bytes);
  const draining = new AbortController();
  const begin = createLifetimes();
  const shared: Shared = { begin, authenticate, receipt, inFlight, largeReads, draining: draining.signal };

  const toMethod = (desc: DescMethod, implementation: object): Method => {
    const rowsField = findRowsField(desc.input);
    for (const schema of [desc.input, rowsField?.message]) if (schema) validator.warm(schema);
    const infrastructure = INFRASTRUCTURE.has(desc.parent.typeName);
    const implemented = (implementation as Record<string, Rpc["implementation"]>)[desc.localName]!;
    const requestBytesMax = requestBytesMaxOf(desc, calls);
    const streamsRequests = desc.methodKind === "client_streaming" || desc.methodKind === "bidi_streaming";
    const observer = telemetry.observe(desc, infrastructure);
    const rpc: Rpc = {
      desc,
      isLarge: createIsLarge(desc),
      infrastructure,
      streamsRequests,
      limits: limitsOf(desc, calls),
      observer,
      reader: createRequestReader(desc),
      requestBytesMax,
      validate: (request) => validator.check(desc.input, request),
      requestIds: createRequestIds(desc),
      implementation: implemented.bind(implementation),
    };
    const refuse: Method["refuse"] = (error, { listener, header }) => {
      observer(listener, header).end(error);
      return error;
    };
    const method = { desc, refuse, requestBytesMax, streamsRequests };
    return desc.methodKind === "unary" || desc.methodKind === "client_streaming"
      ? { ...method, handler: { answers: "once", call: answerOnce(rpc, shared) } }
      : { ...method, handler: { answers: "stream", call: answerStream(rpc, shared) } };
  };
  const methods = bindings.flatMap(({ service, implementation }) =>
    service.methods.map((desc) => toMethod(desc, implementation)),
  );
  return { methods, drain: () => draining.abort(goingAway()), inFlight: inFlight.taken };
}
