import {
  create,
  type DescField,
  type DescMessage,
  type DescMethod,
  type DescService,
  type Message,
  type MessageInitShape,
} from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import type { Call, Service } from "../call.ts";
import { Health } from "../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionV1Alpha } from "../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import type { Authenticate } from "./auth.ts";
import { abortable } from "./abortable.ts";
import {
  type Begin,
  callerLeft,
  createLifetimes,
  goingAway,
  type Incoming,
  type Lifetime,
} from "./lifetime.ts";
import { type CallLimits, type Limits, limitsOf } from "./limits.ts";
import { createRequestIds, type RequestIds } from "./request-id.ts";
import { receive, type Requests } from "./requests.ts";
import { IMPORT_BYTES_MAX, rowsFieldOf } from "./rows.ts";
import { createSlots, type Slots } from "./slots.ts";
import type { Observer, Telemetry } from "./telemetry.ts";
import { createRequestValidator } from "./validation.ts";

/** A method with the pipeline around it, for a door to serve. It fails with ConnectErrors only. */
export type Method = {
  readonly desc: DescMethod;
  /** Counts and logs a call that a door refuses before the handler is called, and returns the error. */
  readonly refuse: (error: ConnectError, incoming: Pick<Incoming, "door" | "header">) => ConnectError;
  /** The largest request that a door reads. */
  readonly requestBytesMax: number;
  /** The field with the rows of an import, which a door may decode one by one. */
  readonly rowsField: DescField | undefined;
  readonly handler:
    | {
        readonly answers: "once";
        readonly call: (requests: Requests, incoming: Incoming) => Promise<Message>;
      }
    | {
        readonly answers: "stream";
        readonly call: (requests: Requests, incoming: Incoming) => AsyncIterable<Message>;
      };
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

/** What a handler answers: a message or the fields of one. */
type Init = MessageInitShape<DescMessage>;

type Rpc = {
  readonly desc: DescMethod;
  readonly infrastructure: boolean;
  readonly limits: Limits;
  readonly observer: Observer;
  readonly validate: (request: Message) => void;
  readonly requestIds: RequestIds;
  readonly implementation: (requests: Requests, call: Call) => unknown;
};

type Shared = {
  readonly begin: Begin;
  readonly authenticate: Authenticate;
  readonly slots: Slots;
  readonly draining: AbortSignal;
};

/**
 * Wraps each method once, for all doors. From the outside in: unknown errors are masked; the call is
 * counted, timed, logged and traced; its deadline runs (the caller's, clamped, or the default) and is kept
 * even if the handler ignores its signal; above `inFlightMax` running handlers the call is shed; the caller
 * is authenticated; the requests are validated. The deadline stands outside of authentication because that,
 * too, may wait for another server's keys.
 */
export function createPipeline(
  bindings: readonly Binding[],
  options: {
    readonly calls: CallLimits;
    readonly authenticate: Authenticate;
    readonly telemetry: Telemetry;
  },
): Pipeline {
  const { calls, authenticate, telemetry } = options;
  const begin = createLifetimes();
  const validator = createRequestValidator();
  const slots = createSlots(calls.inFlightMax, telemetry);
  const draining = new AbortController();
  const shared: Shared = { begin, authenticate, slots, draining: draining.signal };

  const toMethod = (desc: DescMethod, implementation: object): Method => {
    validator.warm(desc);
    const infrastructure = INFRASTRUCTURE.has(desc.parent.typeName);
    const implemented = (implementation as Record<string, Rpc["implementation"]>)[desc.localName]!;
    const rpc: Rpc = {
      desc,
      infrastructure,
      limits: limitsOf(desc, calls),
      observer: telemetry.observe(desc, infrastructure),
      validate: (request) => validator.check(desc.input, request),
      requestIds: createRequestIds(desc),
      implementation: implemented.bind(implementation),
    };
    const rowsField = rowsFieldOf(desc);
    const { messageBytesMax } = calls;
    const requestBytesMax = rowsField ? Math.max(IMPORT_BYTES_MAX, messageBytesMax) : messageBytesMax;
    const refuse: Method["refuse"] = (error, { door, header }) => {
      rpc.observer(door, header).end(error);
      return error;
    };
    const method = { desc, refuse, requestBytesMax, rowsField };
    return desc.methodKind === "unary" || desc.methodKind === "client_streaming"
      ? { ...method, handler: { answers: "once", call: answerOnce(rpc, shared) } }
      : { ...method, handler: { answers: "stream", call: answerStream(rpc, shared) } };
  };
  const methods = bindings.flatMap(({ service, implementation }) =>
    service.methods.map((desc) => toMethod(desc, implementation)),
  );
  return { methods, drain: () => draining.abort(goingAway()), inFlight: slots.taken };
}

function answerOnce(rpc: Rpc, shared: Shared) {
  const run = async (requests: Requests, incoming: Incoming, begun: Lifetime): Promise<Message> => {
    shared.slots.take(rpc);
    try {
      const call = await toCall(rpc, shared, incoming, begun);
      using received = receive(requests, call, rpc.validate, begun.idle);
      const { filled, explain } = rpc.requestIds.fill(received.requests);
      const answer = Promise.resolve(rpc.implementation(filled, call));
      return create(rpc.desc.output, (await answer.catch(explain)) as Init);
    } finally {
      shared.slots.release(rpc);
    }
  };
  return (requests: Requests, incoming: Incoming): Promise<Message> =>
    new Promise((resolve, reject) => {
      const begun = shared.begin(rpc, incoming, reject);
      begun.observed
        .run(() => run(requests, incoming, begun))
        .then((answer) => begun.succeed() && resolve(answer))
        .catch((error: unknown) => reject(begun.fail(error)));
    });
}

function answerStream(rpc: Rpc, shared: Shared) {
  async function* run(requests: Requests, incoming: Incoming, begun: Lifetime): AsyncGenerator<Message> {
    shared.slots.take(rpc);
    try {
      const call = await toCall(rpc, shared, incoming, begun);
      using received = receive(requests, call, rpc.validate, begun.idle);
      const { filled, explain } = rpc.requestIds.fill(received.requests);
      const answers = rpc.implementation(filled, call) as AsyncIterable<Init>;
      try {
        for await (const answer of answers) yield create(rpc.desc.output, answer);
      } catch (error) {
        explain(error);
      }
    } finally {
      shared.slots.release(rpc);
    }
  }
  return async function* (requests: Requests, incoming: Incoming): AsyncGenerator<Message> {
    const begun = shared.begin(rpc, incoming);
    const { observed, idle, succeed, fail } = begun;
    const answers = abortable(run(requests, incoming, begun), incoming.controller.signal);
    let over = false;
    try {
      for (;;) {
        const step = await observed.run(() => answers.next());
        if (step.done) break;
        // Until the door asks for the next one, its reader has not taken this one.
        idle?.wait();
        yield step.value;
        idle?.waited();
      }
      over = true;
      succeed();
    } catch (error) {
      over = true;
      throw fail(error);
    } finally {
      // The door has stopped to take answers: its caller is gone.
      if (!over) fail(callerLeft(incoming.deadlineMs));
      await answers.return?.();
    }
  };
}

async function toCall(
  rpc: Rpc,
  shared: Shared,
  { controller: { signal }, header, rows }: Incoming,
  { deadlineMs, idle, observed }: Lifetime,
): Promise<Call> {
  const principal = rpc.infrastructure ? "anonymous" : await shared.authenticate(header, rpc.desc);
  observed.identify(principal);
  signal.throwIfAborted();
  const { draining } = shared;
  return { signal, draining, deadlineMs, principal, rows, working: idle?.working ?? unwatched };
}

function unwatched<T>(work: Promise<T>): Promise<T> {
  return work;
}
