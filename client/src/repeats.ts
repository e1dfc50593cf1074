import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Clock, Deadline } from "./clock.ts";
import { type CommerceError, toCommerceError } from "./errors.ts";
import { judge, type Judgement } from "./judge.ts";
import { traitsOf } from "./traits.ts";

/** How calls are repeated. */
export type RetryOptions = {
  /**
   * The attempts that a call may have, the first one included; of an import, those in a row that bring
   * nothing. 8 by default: with their waits some four seconds, in which a server restarts. 1 repeats nothing.
   */
  readonly attemptsMax?: number;
  /** The longest wait before the second attempt, in milliseconds; it doubles with each. 100 by default. */
  readonly backoffMs?: number;
  /** The longest wait of all, beside what the service asks for. 2000 by default. */
  readonly backoffMsMax?: number;
};

export type Retry = Required<RetryOptions>;

export const retryDefaults: Retry = { attemptsMax: 8, backoffMs: 100, backoffMsMax: 2_000 };

/** The attempts of one call: what there was, and whether there may be another one. */
export type Repeats = {
  /** The number of the attempt under way, from 1. */
  readonly number: number;
  /** What has been answered counts: attempts are counted anew. */
  progress(): void;
  /** Waits until the next attempt may begin. Throws the error of the call if there is none. */
  next(error: ConnectError): Promise<void>;
  /** The error of the call, which its caller has given up. */
  readonly toCancellation: (signal: AbortSignal) => CommerceError;
};

/** What repeats a call of a method under one request_id. */
export function startRepeats(
  method: DescMethod,
  call: {
    readonly requestId: string | undefined;
    readonly deadline: Deadline;
    readonly signal: AbortSignal | undefined;
    /** Says otherwise of some errors. */
    readonly rejudge?: (error: ConnectError, judgement: Judgement) => Judgement;
  },
  { attemptsMax, backoffMs, backoffMsMax }: Retry,
  clock: Clock,
): Repeats {
  const { effect } = traitsOf(method);
  const { requestId, deadline, signal, rejudge = (_, judgement) => judgement } = call;
  let number = 1;
  let inARow = 1;
  let inDoubt = false;
  const toError = (error: ConnectError): CommerceError =>
    toCommerceError(error, { requestId, attempts: number, inDoubt });
  const toCancellation = (aborted: AbortSignal): CommerceError =>
    toError(ConnectError.from(aborted.reason, Code.Canceled));
  return {
    get number() {
      return number;
    },
    progress() {
      inARow = 0;
    },
    async next(error) {
      const judgement = rejudge(error, judge(error, effect));
      inDoubt = !judgement.isFinal && (inDoubt || judgement.mayHaveHappened);
      const isOver = signal?.aborted === true || attemptsMax === 1 || inARow >= attemptsMax;
      if (isOver || !judgement.mayRepeat) throw toError(error);
      // Full jitter: callers that have failed together do not come back together.
      const backoff = Math.min(backoffMsMax, backoffMs * 2 ** Math.max(0, inARow - 1));
      const waitMs = judgement.retryAfterMs + clock.random() * backoff;
      const leftMs = deadline.leftMs();
      if (leftMs !== undefined && leftMs <= waitMs) throw toError(error);
      await clock.sleep(waitMs, signal);
      if (signal?.aborted) throw toCancellation(signal);
      number += 1;
      inARow += 1;
    },
    toCancellation,
  };
}

/**
 * What an attempt may take of the time that is left, as a time-out of a transport: all of it. A part would
 * cut attempts off that wait in the queue of a busy service, and have them wait there once more. It is a
 * whole number, and not zero, which would be no time-out.
 */
export function toTimeout(leftMs: number | undefined): number | undefined {
  return leftMs === undefined ? undefined : Math.max(1, Math.ceil(leftMs));
}
