import type { ConnectError } from "@connectrpc/connect";
import { DomainError } from "../errors.ts";
import { type IdleWatch, startIdleWatch } from "./idle.ts";
import type { Limits } from "./limits.ts";
import type { Body } from "./requests.ts";
import { toConnectError } from "./status.ts";
import type { ListenerName, Observed, Observer } from "./telemetry.ts";

/** A call as a listener hands it in, when its headers are there. */
export type Incoming = {
  readonly listener: ListenerName;
  readonly header: (name: string) => string | null;
  /** When the headers arrived, in milliseconds since the epoch. */
  readonly arrivedMs: number;
  /** When the caller stops waiting, in milliseconds since the epoch; Infinity if it did not say. */
  readonly deadlineMs: number;
  /**
   * Ends the call. The listener aborts it with callerLeft() or with the error that refuses the call, the
   * pipeline when the deadline has passed.
   */
  readonly controller: AbortController;
  /** The connection that it came on. Calls of one whose caller is not known share what it may hold. */
  readonly connection: object;
  readonly body: Body;
  /** Whether the connection takes the answers that it has got. */
  readonly hasRoom: () => boolean;
};

/**
 * A call between its beginning and its answer. The first of succeed(), fail() and the signal's abort is the
 * answer.
 */
export type Lifetime = {
  /** See `Call`. */
  readonly deadlineMs: number;
  readonly observed: Observed;
  /** Of a method that may not idle for ever. */
  readonly idle: IdleWatch | undefined;
  /** False if the call was over already: then its answer is another one. */
  readonly succeed: () => boolean;
  /** The error to answer. */
  readonly fail: (error: unknown) => ConnectError;
};

/** Begins a call. `onAbort` is told the error to answer when the call ends before its handler does. */
export type Begin = (
  method: { readonly observer: Observer; readonly limits: Limits },
  incoming: Incoming,
  onAbort?: (error: ConnectError) => void,
) => Lifetime;

// Timers and clocks disagree by about a millisecond: a caller that leaves this close to its deadline left
// because of it.
const CLOCK_SLACK_MS = 2;

/** Why a call ends whose caller is gone: what a listener aborts Incoming.controller with. */
export function callerLeft(deadlineMs: number): DomainError {
  if (Date.now() + CLOCK_SLACK_MS >= deadlineMs) return late();
  return new DomainError("cancelled", "CANCELLED", "the caller cancelled the call");
}

/** Counts, times and ends calls. */
export function createLifetimes(): Begin {
  return (
    { observer, limits },
    { listener, header, arrivedMs, deadlineMs: askedMs, controller },
    onAbort,
  ) => {
    const nowMs = Date.now();
    const observed = observer(listener, header, nowMs - arrivedMs);
    const ownMs = arrivedMs + (askedMs === Infinity ? limits.deadlineMsDefault : limits.deadlineMsMax);
    const deadlineMs = Math.min(askedMs, ownMs);
    let open = true;
    let answer: ConnectError | undefined;
    let tell = onAbort;
    const end = (error: ConnectError | undefined): void => {
      open = false;
      // It holds the call's promise and so its answer, and the signal lasts until the answer has been read.
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
      // The end lets go of it.
      const onEnd = tell;
      const error = fail(controller.signal.reason);
      onEnd?.(error);
    };

    const { idleMsMax } = limits;
    const idle =
      idleMsMax === Infinity
        ? undefined
        : startIdleWatch(idleMsMax, () => controller.abort(idledFor(idleMsMax)));
    const stopTimer = startTimer(deadlineMs, () => controller.abort(late()));
    controller.signal.addEventListener("abort", abort, { once: true });
    if (deadlineMs <= nowMs) controller.abort(late());
    // A signal that had aborted before the listener came does not call it.
    if (controller.signal.aborted) abort();
    const concludeMs = deadlineMs === ownMs ? toConcludeMs(arrivedMs, ownMs) : deadlineMs;
    return { deadlineMs: concludeMs, observed, idle, succeed, fail };
  };
}

/** What a deadline of ours leaves for telling what became of the call: its caller goes on waiting. */
const TELL_MS = 250;
const TELL_SHARE = 0.1;

function toConcludeMs(beginMs: number, deadlineMs: number): number {
  if (deadlineMs === Infinity) return Infinity;
  return deadlineMs - Math.min(TELL_MS, TELL_SHARE * (deadlineMs - beginMs));
}

/** What setTimeout takes, 24.8 days: it fires at once for more. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** Rings at a time, never if it is Infinity; answers what stops it. */
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

/** Why a call ends whose deadline has passed. */
export function late(): DomainError {
  return new DomainError("deadline_exceeded", "DEADLINE_EXCEEDED", "the call's deadline has passed");
}

function idledFor(ms: number): DomainError {
  const advice = "call again, and resume behind the last answer";
  const message = `the stream has been idle for ${ms / 1000} s: ${advice}`;
  return new DomainError("deadline_exceeded", "STREAM_IDLE", message);
}

/** Why a stream ends that would outlast a drain. */
export function goingAway(): DomainError {
  return new DomainError("unavailable", "SHUTTING_DOWN", "the server is shutting down", { retryAfterMs: 0 });
}
