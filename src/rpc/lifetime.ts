import type { ConnectError } from "@connectrpc/connect";
import { createError, type DomainError, late } from "../errors.ts";
import { type IdleWatch, startIdleWatch } from "./idle.ts";
import type { Limits } from "./limits.ts";
import type { Body } from "./requests.ts";
import { toConnectError } from "./status.ts";
import type { Arrived } from "../telemetry/arrived.ts";
import type { Observed, Observer } from "../telemetry/calls.ts";

/** A call whose headers have arrived, as a listener passes it to the pipeline. */
export type Incoming = Arrived & {
  /** When the headers arrived, in milliseconds since the epoch. */
  readonly arrivedMs: number;
  /** When the caller stops waiting, in milliseconds since the epoch; Infinity if it sent no timeout. */
  readonly deadlineMs: number;
  /**
   * Ends the call. The listener aborts it with callerLeft() or with the error that refuses the call, the
   * pipeline when the deadline has passed.
   */
  readonly controller: AbortController;
  /** The connection of the call. Calls without a known caller are limited by connection. */
  readonly connection: object;
  readonly body: Body;
  /** Whether the connection reads its answers. */
  readonly hasRoom: () => boolean;
};

/**
 * A call from its beginning to its answer, which is decided by the first of succeed(), fail() and the
 * signal's abort.
 */
export type Lifetime = {
  /** See `Call`. */
  readonly deadlineMs: number;
  readonly observed: Observed;
  /** Set for methods with an idle limit. */
  readonly idle: IdleWatch | undefined;
  /**
   * The handler runs from now on: if a deadline of the service's own passes, the answer is what `toError`
   * returns then, because the work may have been done.
   */
  readonly handled: (toError: () => unknown) => void;
  /** False if the call is over already, with another answer. */
  readonly succeed: () => boolean;
  /** Ends the call and returns the error to answer. */
  readonly fail: (error: unknown) => ConnectError;
};

/** Begins a call. `onAbort` receives the error to answer if the call ends before its handler. */
export type Begin = (
  method: { readonly observer: Observer; readonly limits: Limits },
  incoming: Incoming,
  onAbort?: (error: ConnectError) => void,
) => Lifetime;

// Timers and clocks differ by about a millisecond: a caller that leaves this close to its deadline left
// because of it.
const CLOCK_SLACK_MS = 2;

/** The reason with which a listener aborts the controller of a call whose caller has left. */
export function callerLeft(deadlineMs: number): DomainError {
  if (Date.now() + CLOCK_SLACK_MS >= deadlineMs) return late();
  return createError("CANCELLED", "the caller cancelled the call");
}

/** Creates the function that begins calls; it counts, times and ends them. */
export function createLifetimes(): Begin {
  return ({ observer, limits }, incoming, onAbort) => {
    const { arrivedMs, deadlineMs: askedMs, controller } = incoming;
    const nowMs = Date.now();
    const observed = observer(incoming, nowMs - arrivedMs);
    const ownMs = arrivedMs + (askedMs === Infinity ? limits.deadlineMsDefault : limits.deadlineMsMax);
    const deadlineMs = Math.min(askedMs, ownMs);
    const isOwn = deadlineMs === ownMs;
    const tellMs = isOwn ? toTellMs(arrivedMs, ownMs) : 0;
    let open = true;
    let toLate: () => unknown = late;
    let answer: ConnectError | undefined;
    let tell = onAbort;
    const end = (error: ConnectError | undefined): void => {
      open = false;
      // It references the call's promise and so its answer, while the signal lasts until the answer was read.
      tell = undefined;
      answer = error;
      stopTimer();
      idle?.stop();
      observed.end(error);
    };
    const fail = (error: unknown): ConnectError => {
      if (open) end(toConnectError(error));
      return answer!;
    };
    const succeed = (): boolean => {
      const first = open;
      if (first) end(undefined);
      return first;
    };
    const abort = (): void => {
      if (!open) return;
      // onEnd clears `tell`.
      const onEnd = tell;
      const error = fail(controller.signal.reason);
      onEnd?.(error);
    };

    const { idleMsMax } = limits;
    const idle =
      idleMsMax === Infinity
        ? undefined
        : startIdleWatch(idleMsMax, () => controller.abort(idledFor(idleMsMax)));
    // A handler that has not answered by now does not, and its caller goes on waiting.
    const lastMs = deadlineMs - tellMs / 2;
    const stopTimer = startTimer(lastMs, () => controller.abort(toLate()));
    controller.signal.addEventListener("abort", abort, { once: true });
    if (deadlineMs <= nowMs) controller.abort(late());
    // Aborting before the listener was added does not call it.
    if (controller.signal.aborted) abort();
    const handled = (toError: () => unknown): void => void (toLate = isOwn ? toError : late);
    return { deadlineMs: deadlineMs - tellMs, observed, idle, handled, succeed, fail };
  };
}

const TELL_MS_MAX = 250;
const TELL_SHARE = 0.1;

/**
 * Time in milliseconds before a deadline of the service's own for telling the caller the outcome: the caller
 * goes on waiting. In its first half what the database was asked ends; who has not heard of an end by then is
 * told in the second half that the outcome is not known.
 */
function toTellMs(beginMs: number, deadlineMs: number): number {
  return deadlineMs === Infinity ? 0 : Math.min(TELL_MS_MAX, TELL_SHARE * (deadlineMs - beginMs));
}

/** The maximum of setTimeout, 24.8 days; it fires at once for more. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** Calls `ring` at a time, never if it is Infinity; returns a function that stops it. */
function startTimer(timeMs: number, ring: () => void): () => void {
  if (timeMs === Infinity) return () => {};
  const leftMs = (): number => timeMs - Date.now();
  const arm = (ms: number): NodeJS.Timeout =>
    ms > TIMER_MS_MAX
      ? setTimeout(() => (timer = arm(leftMs())), TIMER_MS_MAX)
      : setTimeout(ring, Math.max(0, ms));
  let timer = arm(leftMs());
  return () => clearTimeout(timer);
}

function idledFor(ms: number): DomainError {
  const advice = "call again, and resume after the last answer";
  const message = `the stream has been idle for ${ms / 1000} s: ${advice}`;
  return createError("STREAM_IDLE", message);
}
