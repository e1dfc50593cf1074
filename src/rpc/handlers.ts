import type { DescMethod, Message } from "@bufbuild/protobuf";
import { bounds } from "../bounds.ts";
import type { Call } from "../call.ts";
import { late, unanswered } from "../errors.ts";
import { abortable } from "./abortable.ts";
import type { Authenticate } from "./auth.ts";
import type { Answer } from "./encoding.ts";
import { type Begin, callerLeft, type Incoming, type Lifetime } from "./lifetime.ts";
import type { LargeReads } from "./large-reads.ts";
import type { Limits } from "./limits.ts";
import { type RequestReader, rowsOf } from "./reading.ts";
import type { Hold, Receipt } from "./receipt.ts";
import type { RequestIds } from "./request-id.ts";
import { decode, receiveRequests, type Requests, type Sent, unpack } from "./requests.ts";
import type { InFlightLimit } from "./in-flight.ts";
import type { Observer } from "../telemetry/calls.ts";

/** A method with what the pipeline has derived from it. */
export type Rpc = {
  readonly desc: DescMethod;
  readonly infrastructure: boolean;
  readonly streamsRequests: boolean;
  readonly limits: Limits;
  readonly observer: Observer;
  readonly reader: RequestReader;
  readonly requestBytesMax: number;
  readonly validate: (request: Message) => void;
  /** Whether a request is a large read. */
  readonly isLarge: (request: Message) => boolean;
  readonly requestIds: RequestIds;
  readonly implementation: (requests: Requests, call: Call) => unknown;
};

/** What all methods share. */
export type Shared = {
  readonly begin: Begin;
  readonly authenticate: Authenticate;
  readonly receipt: Receipt;
  readonly inFlight: InFlightLimit;
  readonly largeReads: LargeReads;
  readonly draining: AbortSignal;
  /** How long refusals are kept of calls that can be repeated, in milliseconds. */
  readonly refusalMs: number;
};

/** Creates the handler of a method with a single answer. */
export function answerOnce(rpc: Rpc, shared: Shared) {
  const run = async (incoming: Incoming, begun: Lifetime): Promise<Answer> => {
    using hold = shared.receipt.open(incoming.connection);
    using admitted = await admit(rpc, shared, incoming, begun, hold);
    const { filled, isGiven, explain } = rpc.requestIds.fill(admitted.requests);
    const call = isGiven ? { ...admitted.call, refusalMs: shared.refusalMs } : admitted.call;
    begun.handled(() => explain(unanswered()));
    const answer = Promise.resolve(rpc.implementation(filled, call)).catch((error: unknown) => {
      throw explain(error);
    });
    return (await answer) as Answer;
  };
  return (incoming: Incoming): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const begun = shared.begin(rpc, incoming, reject);
      begun.observed
        .run(() => run(incoming, begun))
        .then((answer) => begun.succeed() && resolve(answer))
        .catch((error: unknown) => reject(begun.fail(error)));
    });
}

/** Creates the handler of a method with a stream of answers. */
export function answerStream(rpc: Rpc, shared: Shared) {
  async function* run(incoming: Incoming, begun: Lifetime): AsyncGenerator<Answer> {
    using hold = shared.receipt.open(incoming.connection);
    using admitted = await admit(rpc, shared, incoming, begun, hold);
    const { filled, explain } = rpc.requestIds.fill(admitted.requests);
    // Who streams requests may be what is waited for.
    if (!rpc.streamsRequests) begun.handled(() => explain(unanswered()));
    const answers = rpc.implementation(filled, admitted.call) as AsyncIterable<Answer>;
    try {
      for await (const answer of answers) yield answer;
    } catch (error) {
      throw explain(error);
    }
  }
  return async function* (incoming: Incoming): AsyncGenerator<Answer> {
    const begun = shared.begin(rpc, incoming);
    const { observed, idle, succeed, fail } = begun;
    const answers = abortable(run(incoming, begun), incoming.controller.signal);
    let over = false;
    try {
      for (;;) {
        const step = await observed.run(() => answers.next());
        if (step.done) break;
        // The reader has taken an answer when the listener asks for the next one.
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
      // The listener has stopped reading answers: the caller has left.
      if (!over) fail(callerLeft(incoming.deadlineMs));
      await answers.return?.();
    }
  };
}

/** A call whose handler may run. Dispose of it when the handler has stopped, to free its places. */
type Admitted = Disposable & { readonly call: Call; readonly requests: Requests };

/**
 * Authenticates the caller, reads the request, takes a place in flight, validates, and waits for its turn if
 * it is a large read, in this order.
 */
async function admit(
  rpc: Rpc,
  shared: Shared,
  incoming: Incoming,
  { deadlineMs, idle, observed }: Lifetime,
  hold: Hold,
): Promise<Admitted> {
  const { header, connection, body } = incoming;
  const { signal } = incoming.controller;
  const principal = rpc.infrastructure ? ANONYMOUS : await shared.authenticate(header, rpc.desc);
  observed.identify(principal);
  signal.throwIfAborted();
  let request: Message | undefined;
  if (!rpc.streamsRequests) {
    const sent = await (deadlineMs < Infinity ? body.one(hold) : readInTime(incoming, hold));
    const bytes = sent.encoding === undefined ? sent.bytes : await unpack(rpc, sent, hold);
    request = decode(rpc, body, bytes);
    signal.throwIfAborted();
  }
  const holder = principal === ANONYMOUS ? connection : principal;
  const place = shared.inFlight.take(rpc, holder);
  try {
    const working = idle?.working ?? unwatched;
    const { draining } = shared;
    const call = { signal, draining, deadlineMs, refusalMs: 0, principal, holder, rowsOf, working };
    if (request) {
      rpc.validate(request);
      const turn = rpc.isLarge(request) ? await shared.largeReads.enter(call, incoming.hasRoom) : undefined;
      return {
        call,
        requests: request,
        [Symbol.dispose]() {
          turn?.[Symbol.dispose]();
          place[Symbol.dispose]();
        },
      };
    }
    const received = receiveRequests(rpc, body, hold, call, idle);
    return {
      call,
      requests: received.requests,
      [Symbol.dispose]() {
        received[Symbol.dispose]();
        place[Symbol.dispose]();
      },
    };
  } catch (error) {
    place[Symbol.dispose]();
    throw error;
  }
}

/** Reads the request of a call without a deadline, within the bound for such requests. */
async function readInTime({ body, controller }: Incoming, hold: Hold): Promise<Sent> {
  const timer = setTimeout(() => controller.abort(late()), bounds.requestMs.max);
  try {
    return await body.one(hold);
  } finally {
    clearTimeout(timer);
  }
}

/** The principal of all callers if authentication is off. */
const ANONYMOUS = "anonymous";

function unwatched<T>(work: Promise<T>): Promise<T> {
  return work;
}
