import { createHmac } from "node:crypto";
import type { Call } from "../call.ts";
import type { Config } from "../config.ts";
import { sweepAttempts } from "../db/users/attempts.ts";
import type { Database } from "../db/engine/database.ts";
import { createError, databaseAway, DomainError } from "../errors.ts";
import type { Batchers } from "../db/batchers.ts";

/** Limits attempts to authenticate, for all replicas that share a database. */
export type Logins = {
  /**
   * Reserves an attempt on an account before it is judged, whether there is such an account or not. Throws
   * "exhausted" when it is too early for one.
   */
  readonly begin: (email: string, call: Call) => Promise<Login>;
};

/** An attempt that may be judged. One that is never settled, because a replica died, counts as failed. */
export type Login = {
  readonly succeed: () => Promise<void>;
  readonly fail: () => Promise<void>;
};

/** The first delay; each next one is twice as long. */
const delayMsMin = 1_000;

/**
 * How long the next attempt has to wait after 1, 2, … failures, in milliseconds: nothing after fewer than
 * `attemptsMax`, then a second, twice as long each time, and in the end `delayMsMax`, which holds for all
 * that follow.
 */
export function toDelays({ attemptsMax, delayMsMax }: Pick<Config["logins"], "attemptsMax" | "delayMsMax">) {
  const delaysMs = new Array<number>(attemptsMax - 1).fill(0);
  for (let delayMs = delayMsMin; delayMs < delayMsMax; delayMs *= 2) delaysMs.push(delayMs);
  return [...delaysMs, delayMsMax];
}

/** Callers are counted by the minute. */
const windowMs = 60_000;

/** Failures between two sweeps: each adds a row at most and a sweep deletes many more, so that few stay. */
const failuresBetweenSweeps = 64;

const unlimited: Login = { succeed: async () => {}, fail: async () => {} };

/** Limits attempts in a database; `key` is the secret under which emails and callers are hashed. */
export function createLogins(
  db: Database,
  batchers: Pick<Batchers, "reserveAttempt" | "clearAttempts" | "countFailure">,
  limits: Config["logins"] & { readonly knowsCallers: boolean },
  key: Buffer,
): Logins {
  const { attemptsMax, callerFailuresMax, knowsCallers } = limits;
  if (attemptsMax === 0) return { begin: async () => unlimited };
  const delaysMs = toDelays(limits);
  // Whoever waits for it makes no more guesses than whoever makes one after each of the longest delays.
  const forgetMs = delaysMs.length * limits.delayMsMax;
  let failures = 0;

  return {
    async begin(email, call) {
      const accountId = toRowId(key, "account", email);
      // Where callers are not known all of them have one name, and each could lock out all others.
      const limitsCaller = knowsCallers && callerFailuresMax > 0;
      const callerId = limitsCaller ? toRowId(key, "caller", call.principal) : undefined;
      const attempt = { accountId, callerId, delaysMs, forgetMs };
      const waitMs = await batchers.reserveAttempt(attempt, call).catch(unanswered);
      if (waitMs > 0) throw tooManyAttempts(waitMs);
      return {
        succeed: () => batchers.clearAttempts(accountId, call).catch(unanswered),
        async fail() {
          const failure = callerId && { callerId, failuresMax: callerFailuresMax, windowMs };
          if (failure) await batchers.countFailure(failure, call).catch(unanswered);
          if (++failures % failuresBetweenSweeps === 0) await sweepAttempts(db, call).catch(unanswered);
        },
      };
    },
  };
}

/** 128 bits of a keyed hash, as a UUID. */
function toRowId(key: Buffer, kind: "account" | "caller", name: string): string {
  const hash = createHmac("sha256", key).update(`${kind}\0${name}`).digest("hex");
  return hash.slice(0, 32).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

function tooManyAttempts(waitMs: number): DomainError {
  const message = "too many attempts to authenticate have failed, or are being judged";
  return createError("TOO_MANY_ATTEMPTS", message, { retryAfterMs: waitMs });
}

/** An attempt changes nothing that its caller asked for, so that it may be made again as it is. */
function unanswered(error: unknown): never {
  if (error instanceof DomainError && error.kind === "outcome_unknown") throw databaseAway(error);
  throw error;
}
