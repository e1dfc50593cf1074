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
  callerLeft,
  createLifetimes,
  type CallLimits,
  type Deadlines,
  type Incoming,
  type Lifetime,
  type Lifetimes,
} from "./lifetime.ts";
import { createRequestIds, type RequestIds } from "./request-id.ts";
import { IMPORT_BYTES_MAX, rowsFieldOf } from "./rows.ts";
import { createSlots, type Slots } from "./slots.ts";
import type { Observer, Telemetry } from "./telemetry.ts";
import { checkRequests, createRequestValidator, type RequestValidator } from "./validation.ts";

/** What a method is called with: a message or, if its requests are streamed, all of them. */
export type Requests = Message | AsyncIterable<Message>;

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
   * Ends the streams that would outlast a drain: health watches at once, imports when their chunk has been
   * answered.
   */
  readonly drain: () => void;
  /** Handlers that are running, but for those of probes and reflection. */
  readonly inFlight: () => number;
};

// A stream is an import or an export: a minute is enough for most, and what takes more than an hour should
// rather be cut into pieces that can be repeated.
const STREAM_DEADLINES: Deadlines = { msDefault: 60_000, msMax: 3_600_000 };
// A watch of health lasts as long as its connection.
const WATCH_DEADLINES: Deadlines = { msDefault: Infinity, msMax: Infinity };

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
  readonly deadlines: Deadlines;
  readonly observer: Observer;
  readonly requestIds: RequestIds;
  readonly implementation: (requests: Requests, call: Call) => unknown;
};

type Shared = {
  readonly lifetimes: Lifetimes;
  readonly validator: RequestValidator;
  readonly authenticate: Authenticate;
  readonly slots: Slots;
  readonly draining: AbortSignal;
};

/**
 * Wraps each method once, for all doors. From the outside in: unknown errors are masked; the call is
 * counted, timed, logged and traced; its deadline runs (the caller's, clamped, or the default) and is kept
 * even if the handler ignores its signal; above `inFlightMax` running handlers the call is shed; the caller
 * is authenticated; the requests are validated. The deadline stands outside of authentication because that,
 * too, may wait for somebody.
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
  const lifetimes = createLifetimes();
  const validator = createRequestValidator();
  const slots = createSlots(calls.inFlightMax, telemetry);
  const draining = new AbortController();
  const shared: Shared = { lifetimes, validator, authenticate, slots, draining: draining.signal };

  const toMethod = (desc: DescMethod, implementation: object): Method => {
    validator.warm(desc);
    const infrastructure = INFRASTRUCTURE.has(desc.parent.typeName);
    const implemented = (implementation as Record<string, Rpc["implementation"]>)[desc.localName]!;
    const rpc: Rpc = {
      desc,
      infrastructure,
      deadlines: toDeadlines(desc, calls),
      observer: telemetry.observe(desc, infrastructure),
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
  const drain = (): void => {
    draining.abort();
    lifetimes.drain();
  };
  return { methods, drain, inFlight: slots.taken };
}

function answerOnce(rpc: Rpc, shared: Shared) {
  const run = async (requests: Requests, incoming: Incoming, lifetime: Lifetime): Promise<Message> => {
    shared.slots.take(rpc);
    try {
      const call = await toCall(rpc, shared, incoming, lifetime);
      const checked = checkRequests(shared.validator, rpc.desc, requests, call.signal);
      const { filled, explain } = rpc.requestIds.fill(checked);
      const answer = Promise.resolve(rpc.implementation(filled, call));
      return create(rpc.desc.output, (await answer.catch(explain)) as Init);
    } finally {
      shared.slots.release(rpc);
    }
  };
  return (requests: Requests, incoming: Incoming): Promise<Message> =>
    new Promise((resolve, reject) => {
      const lifetime = shared.lifetimes.begin(rpc, incoming, reject);
      const { observed, succeed, fail } = lifetime;
      observed
        .run(() => run(requests, incoming, lifetime))
        .then((answer) => succeed() && resolve(answer))
        .catch((error: unknown) => reject(fail(error)));
    });
}

function answerStream(rpc: Rpc, shared: Shared) {
  async function* run(requests: Requests, incoming: Incoming, lifetime: Lifetime): AsyncGenerator<Message> {
    shared.slots.take(rpc);
    try {
      const call = await toCall(rpc, shared, incoming, lifetime);
      const checked = checkRequests(shared.validator, rpc.desc, requests, call.signal);
      const { filled, explain } = rpc.requestIds.fill(checked);
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
    const lifetime = shared.lifetimes.begin(rpc, incoming);
    const { observed, succeed, fail } = lifetime;
    const answers = abortable(run(requests, incoming, lifetime), incoming.controller.signal);
    let over = false;
    try {
      for (;;) {
        const step = await observed.run(() => answers.next());
        if (step.done) break;
        yield step.value;
      }
      over = true;
      succeed();
    } catch (error) {
      over = true;
      throw fail(error);
    } finally {
      // The door has stopped to take answers: there is nobody to take them any more.
      if (!over) fail(callerLeft(incoming.deadlineMs));
      await answers.return?.();
    }
  };
}

async function toCall(
  rpc: Rpc,
  shared: Shared,
  incoming: Incoming,
  { deadlineMs, observed }: Lifetime,
): Promise<Call> {
  const { signal } = incoming.controller;
  const principal = rpc.infrastructure ? "anonymous" : await shared.authenticate(incoming.header, rpc.desc);
  observed.identify(principal);
  signal.throwIfAborted();
  return { signal, draining: shared.draining, deadlineMs, principal, rows: incoming.rows };
}

function toDeadlines(desc: DescMethod, calls: CallLimits): Deadlines {
  if (desc === Health.method.watch) return WATCH_DEADLINES;
  if (desc.methodKind === "unary") return { msDefault: calls.deadlineMsDefault, msMax: calls.deadlineMsMax };
  return STREAM_DEADLINES;
}
