import { createHmac } from "node:crypto";
import type { Call } from "../call.ts";
import type { Config } from "../config.ts";
import { sweepAttempts } from "../db/users/attempts.ts";
import type { Database } from "../db/engine/database.ts";
import { createError, type DomainError } from "../errors.ts";
import type { Batchers } from "../db/batchers.ts";

/** Limits attempts to authenticate, over all replicas that share a database. */
export type Logins = {
  /**
   * Reserves an attempt on an account before the password is checked, whether the account exists or not.
   * Throws "exhausted" if the next attempt has to wait.
   */
  readonly begin: (email: string, call: Call) => Promise<Login>;
};

/** A reserved attempt. One that is never settled, because a replica died, counts as failed. */
export type Login = {
  readonly succeed: () => Promise<void>;
  readonly fail: () => Promise<void>;
};

/** The first delay in milliseconds; each further one doubles. */
const delayMsMin = 1_000;

/**
 * Returns how long the next attempt has to wait after 1, 2, … failures, in milliseconds: nothing below
 * `attemptsMax`, then a second, doubling up to `delayMsMax`, which the last element sets for all further
 * failures.
 */
export function toDelays({ attemptsMax, delayMsMax }: Pick<Config["logins"], "attemptsMax" | "delayMsMax">) {
  const delaysMs = new Array<number>(attemptsMax - 1).fill(0);
  for (let delayMs = delayMsMin; delayMs < delayMsMax; delayMs *= 2) delaysMs.push(delayMs);
  return [...delaysMs, delayMsMax];
}

/** Failures of callers are counted per minute. */
const windowMs = 60_000;

/**
 * Failures between two sweeps: each adds at most one row and a sweep deletes many more, so that few remain.
 */
const failuresBetweenSweeps = 64;

const unlimited: Login = { succeed: async () => {}, fail: async () => {} };

/** Creates the limits on a database; `key` is the secret for hashing emails and callers. */
export function createLogins(
  db: Database,
  batchers: Pick<Batchers, "reserveAttempt" | "clearAttempts" | "countFailure">,
  limits: Config["logins"] & { readonly knowsCallers: boolean },
  key: Buffer,
): Logins {
  const { attemptsMax, callerFailuresMax, knowsCallers } = limits;
  if (attemptsMax === 0) return { begin: async () => unlimited };
  const delaysMs = toDelays(limits);
  // Waiting for this allows no more guesses than one after each of the longest delays.
  const forgetMs = delaysMs.length * limits.delayMsMax;
  let failures = 0;

  return {
    async begin(email, call) {
      const accountId = toRowId(key, "account", email);
      // Without authentication all callers have one name, so that each could lock out all others.
      const limitsCaller = knowsCallers && callerFailuresMax > 0;
      const callerId = limitsCaller ? toRowId(key, "caller", call.principal) : undefined;
      const attempt = { accountId, callerId, delaysMs, forgetMs };
      const waitMs = await batchers.reserveAttempt(attempt, call);
      if (waitMs > 0) throw tooManyAttempts(waitMs);
      return {
        succeed: () => batchers.clearAttempts(accountId, call),
        async fail() {
          const failure = callerId && { callerId, failuresMax: callerFailuresMax, windowMs };
          if (failure) await batchers.countFailure(failure, call);
          if (++failures % failuresBetweenSweeps === 0) await sweepAttempts(db, call);
        },
      };
    },
  };
}

/** Returns 128 bits of a keyed hash, as a UUID. */
function toRowId(key: Buffer, kind: "account" | "caller", name: string): string {
  const hash = createHmac("sha256", key).update(`${kind}\0${name}`).digest("hex");
  return hash.slice(0, 32).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

function tooManyAttempts(waitMs: number): DomainError {
  const message = "too many attempts to authenticate have failed or are in progress";
  return createError("TOO_MANY_ATTEMPTS", message, { retryAfterMs: waitMs });
}
