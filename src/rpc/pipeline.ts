import type { DescMethod, DescService } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import type { Service } from "../call.ts";
import { shuttingDown } from "../errors.ts";
import { Health } from "../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionV1Alpha } from "../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import type { Authenticate } from "./auth.ts";
import { findRowsField } from "./elements.ts";
import type { Answer } from "./encoding.ts";
import { answerOnce, answerStream, type Rpc, type Shared } from "./handlers.ts";
import { createLifetimes, type Incoming } from "./lifetime.ts";
import { type CallLimits, limitsOf, requestBytesMaxOf } from "./limits.ts";
import { createRequestReader } from "./reading.ts";
import { createIsLarge, createLargeReads } from "./large-reads.ts";
import { createReceipt } from "./receipt.ts";
import { createRequestIds } from "./request-id.ts";
import { createInFlightLimit } from "./in-flight.ts";
import type { Arrived } from "../telemetry/arrived.ts";
import type { Telemetry } from "../telemetry/telemetry.ts";
import type { RequestValidator } from "./validation.ts";

/** A method wrapped by the pipeline, for listeners to serve. It throws only ConnectErrors. */
export type Method = {
  readonly desc: DescMethod;
  /** Counts and logs a call that a listener refuses before its handler is called, and returns the error. */
  readonly refuse: (error: ConnectError, arrived: Arrived) => ConnectError;
  /** The largest message of a request, before and after decompression, in bytes. */
  readonly requestBytesMax: number;
  /** Whether the request is a stream of messages. */
  readonly streamsRequests: boolean;
  /** Called when a call's headers have arrived, before its body is read. */
  readonly handler:
    | { readonly answers: "once"; readonly call: (incoming: Incoming) => Promise<Answer> }
    | { readonly answers: "stream"; readonly call: (incoming: Incoming) => AsyncIterable<Answer> };
};

/** A service and its implementation. */
export type Binding = { readonly service: DescService; readonly implementation: object };

/** Pairs a service with its implementation; the types must fit. */
export function bind<S extends DescService>(service: S, implementation: Service<S>): Binding {
  return { service, implementation };
}

/** The wrapped methods of all services. */
export type Pipeline = {
  readonly methods: readonly Method[];
  /**
   * Ends the streams that would outlast a drain: those that wait for their caller's next request and health
   * watches at once, imports when their chunk was answered.
   */
  readonly drain: () => void;
  /** Handlers that are running, without those of probes and reflection. */
  readonly inFlight: () => number;
};

/**
 * The services of probes and tools. They need no token, are never shed and not logged, so that they answer
 * when nothing else does.
 */
const INFRASTRUCTURE: ReadonlySet<string> = new Set(
  [Health, ServerReflection, ServerReflectionV1Alpha].map((service) => service.typeName),
);

/**
 * Wraps each method once, for all listeners. From the outside in: unknown errors are masked; the call is
 * counted, timed, logged and traced; its deadline (the caller's, clamped, or the default) runs from the
 * headers and holds even if the handler ignores its signal; the bytes of its request are counted; the caller
 * is authenticated; the request is read, up to the method's maximum; the call is shed if the limit in flight
 * or the caller's share is reached; the request is validated. The deadline covers authentication because that
 * may wait for the issuer's keys.
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
  telemetry.value("rpc_server_request_memory_bytes", "Bytes of requests in memory.", receipt.bytes);
  const draining = new AbortController();
  const begin = createLifetimes();
  const shared: Shared = {
    begin,
    authenticate,
    receipt,
    inFlight,
    largeReads,
    draining: draining.signal,
    refusalMs: calls.refusalMs,
  };

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
    const refuse: Method["refuse"] = (error, arrived) => {
      observer(arrived).end(error);
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
  return { methods, drain: () => draining.abort(shuttingDown()), inFlight: inFlight.taken };
}
