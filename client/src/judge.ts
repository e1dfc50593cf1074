import { Code, type ConnectError } from "@connectrpc/connect";
import { findInfo, findRetryAfterMs, isReason } from "./errors.ts";
import { repeats } from "./gen/reasons.ts";
import type { Effect } from "./traits.ts";

/** What the failure of an attempt means for its call. */
export type Judgement = {
  /** Whether the same call may be made again. */
  readonly mayRepeat: boolean;
  /** What the service asks to wait before that, in milliseconds. */
  readonly retryAfterMs: number;
  /** Whether this attempt may have happened. */
  readonly mayHaveHappened: boolean;
  /** Whether the answer is the final one of all attempts: none of them has happened or ever will. */
  readonly isFinal: boolean;
};

/** The refusals that are kept under the request_id, and so answer for each attempt that there was. */
const kept: ReadonlySet<Code> = new Set([
  Code.NotFound,
  Code.FailedPrecondition,
  Code.Aborted,
  Code.AlreadyExists,
  Code.InvalidArgument,
]);

/**
 * What the service or a proxy answers, or a library says of a broken connection, when the outcome is not
 * known.
 */
const unknown: ReadonlySet<Code> = new Set([
  Code.Unknown,
  Code.Internal,
  Code.Unavailable,
  Code.DeadlineExceeded,
  Code.Canceled,
  Code.Aborted,
  Code.DataLoss,
]);

/** What the failure of an attempt means of which nothing was sent. */
export const neverSent: Judgement = {
  mayRepeat: false,
  retryAfterMs: 0,
  mayHaveHappened: false,
  isFinal: false,
};

/**
 * Says what the failure of an attempt means: by the service's reason, and by the code where there is none.
 */
export function judge(error: ConnectError, effect: Effect): Judgement {
  if ("isUnsent" in error) return neverSent;
  const retryAfterMs = findRetryAfterMs(error);
  const info = findInfo(error);
  const repeat = repeatOf(error.code, info?.reason, retryAfterMs !== undefined);
  const isKnown = repeat !== "same_request_id";
  return {
    mayRepeat: isKnown ? repeat === "after_wait" : effect !== "other",
    retryAfterMs: retryAfterMs ?? 0,
    // UNAVAILABLE may follow attempts of the service's own.
    mayHaveHappened: effect !== "read" && (!isKnown || error.code === Code.Unavailable),
    isFinal: info !== undefined && repeat === "never" && kept.has(error.code),
  };
}

function repeatOf(
  code: Code,
  reason: string | undefined,
  hasRetryInfo: boolean,
): "never" | "after_wait" | "same_request_id" {
  // The person who logs in is told how long to wait, and may correct the password meanwhile.
  if (reason === "TOO_MANY_ATTEMPTS") return "never";
  if (reason !== undefined && isReason(reason)) {
    const repeat = repeats[reason];
    return repeat === "at_once" ? "after_wait" : repeat;
  }
  if (hasRetryInfo && (code === Code.Unavailable || code === Code.ResourceExhausted)) return "after_wait";
  // A reason that is not known here is the service's word all the same: ABORTED is a refusal then, not a
  // reset.
  const isUnknown = unknown.has(code) && (reason === undefined || code !== Code.Aborted);
  return isUnknown ? "same_request_id" : "never";
}
