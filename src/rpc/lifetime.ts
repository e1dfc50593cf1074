import type { Message } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import type { Config } from "../config.ts";
import { DomainError } from "../db/errors.ts";
import { toConnectError } from "./status.ts";
import type { DoorName, Observed, Observer } from "./telemetry.ts";

/** A call as a door hands it in. */
export type Incoming = {
  readonly door: DoorName;
  readonly header: (name: string) => string | null;
  /** When the caller stops waiting, in milliseconds since the epoch; Infinity if it did not say. */
  readonly deadlineMs: number;
  /** The call's end: the door aborts it with callerLeft(), the pipeline when the deadline has passed. */
  readonly controller: AbortController;
  /** Of an import whose door decodes rows one by one. */
  readonly rows?: Iterable<Message | Error>;
};

/** What bounds calls. */
export type CallLimits = Omit<Config["calls"], "coalesce">;

/**
 * How long calls of a method may take, in milliseconds: without a deadline of the caller's own, and at
 * most.
 */
export type Deadlines = { readonly msDefault: number; readonly msMax: number };

/**
 * A call between its beginning and its answer. The first of succeed(), fail() and the signal's abort is the
 * answer.
 */
export type Lifetime = {
  readonly deadlineMs: number;
  readonly observed: Observed;
  /** False if the call was over already: then its answer is another one. */
  readonly succeed: () => boolean;
  /** The error to answer. */
  readonly fail: (error: unknown) => ConnectError;
};

/** What the calls of a pipeline share in their lifetimes. */
export type Lifetimes = {
  readonly begin: (
    limits: { readonly observer: Observer; readonly deadlines: Deadlines },
    incoming: Incoming,
    onAbort?: (error: ConnectError) => void,
  ) => Lifetime;
  /** Ends the calls that have no deadline, now and from now on: they would outlast every drain. */
  readonly drain: () => void;
};

// Timers and clocks disagree by about a millisecond: a caller that leaves this close to its deadline left
// because of it.
const CLOCK_SLACK_MS = 2;

/** Why a call ends whose caller is gone: what a door aborts Incoming.controller with. */
export function callerLeft(deadlineMs: number): DomainError {
  if (Date.now() + CLOCK_SLACK_MS >= deadlineMs) return late();
  return new DomainError("cancelled", "CANCELLED", "the caller cancelled the call");
}

/** Counts, times and ends calls. */
export function createLifetimes(): Lifetimes {
  const endless = new Set<AbortController>();
  let draining = false;
  return {
    begin({ observer, deadlines }, { door, header, deadlineMs: askedMs, controller }, onAbort) {
      const observed = observer(door, header);
      const nowMs = Date.now();
      const deadlineMs = Math.min(
        askedMs === Infinity ? nowMs + deadlines.msDefault : askedMs,
        nowMs + deadlines.msMax,
      );
      let open = true;
      let answer: ConnectError | undefined;
      let release = (): void => {};
      const end = (error: ConnectError | undefined): void => {
        open = false;
        answer = error;
        release();
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
        const error = fail(controller.signal.reason);
        onAbort?.(error);
      };

      controller.signal.addEventListener("abort", abort, { once: true });
      if (deadlineMs === Infinity) {
        endless.add(controller);
        release = () => endless.delete(controller);
        if (draining) controller.abort(goingAway());
      } else {
        const timer = setTimeout(() => controller.abort(late()), Math.max(0, deadlineMs - nowMs));
        release = () => clearTimeout(timer);
        if (deadlineMs <= nowMs) controller.abort(late());
      }
      // A signal that had aborted before the listener came tells nobody.
      if (controller.signal.aborted) abort();
      return { deadlineMs, observed, succeed, fail };
    },
    drain() {
      draining = true;
      for (const controller of endless) controller.abort(goingAway());
    },
  };
}

function late(): DomainError {
  return new DomainError("deadline_exceeded", "DEADLINE_EXCEEDED", "the call's deadline has passed");
}

function goingAway(): DomainError {
  return new DomainError("unavailable", "SHUTTING_DOWN", "the server is shutting down", { retryAfterMs: 0 });
}
