import { setTimeout as delay } from "node:timers/promises";
import type { Engine } from "../../config.ts";
import {
  contention as contended,
  databaseAway,
  databaseOverloaded,
  databaseReadOnly,
  DomainError,
  outcomeUnknown,
  toDomainError,
  toServerError,
} from "../../errors.ts";

/** How long a caller waits: what every use of the database is bounded by. A `Call` is one. */
export type Budget = {
  readonly signal: AbortSignal;
  readonly deadlineMs: number;
  /** Whose work it is, of those who take turns for connections: what is not said belongs to all of them. */
  readonly holder?: unknown;
  /**
   * Asked before each attempt is sent. Throws where it must not be sent any more as it is: it has the row of
   * a caller who has left, and may be back at another replica.
   */
  readonly throwIfStale?: () => void;
  /** Attempts, where there is something better to do than the same again; `attemptsMax` otherwise. */
  readonly attemptsMax?: number;
};

/** The budget of the service itself, where it asks the database for no caller. */
export function createBudget(ms: number): Budget {
  return { signal: AbortSignal.timeout(ms), deadlineMs: Date.now() + ms };
}

/**
 * How far an attempt had come when it failed. A statement outside a transaction commits by itself, so that it
 * is "committing" from the moment it was sent. "inside" a transaction the server may keep its locks when the
 * connection is lost.
 */
export type Phase = "connecting" | "executing" | "inside" | "committing";

/** What is known of a failed attempt, and so what may follow it. */
export type Fate =
  /** It did not happen; its connection is sound. */
  | "aborted"
  /** It did not happen; its connection is of no use. */
  | "disconnected"
  /** It did not happen; the database has no room. */
  | "overloaded"
  /** It happened or it did not: running it again, with the same derived ids, is the only way to find out. */
  | "ambiguous"
  /** It did not happen and never will. */
  | "final";

/** Why an attempt failed, and what that means. Thrown by attempts, understood by `retrying`. */
export class AttemptError extends Error {
  readonly phase: Phase;
  readonly fate: Fate;

  constructor(engine: Engine, phase: Phase, cause: unknown, fate = fateOf(engine, phase, cause)) {
    super("the attempt failed", { cause });
    this.phase = phase;
    this.fate = fate;
  }
}

/**
 * Unique and foreign keys that a statement checks by reading before it writes. Their violation means that
 * another statement came in between; a re-run reads what it wrote.
 */
const racingConstraints = new Set([
  "order_events_idempotency_key_key",
  "order_events_pkey",
  "order_events_order_id_fkey",
  "order_items_order_id_fkey",
  "orders_user_id_fkey",
  "stock_movements_pkey",
  "user_changes_pkey",
]);

const contention = new Set(["40001", "40P01", "CR000"]);
/** 53100: the disk is full; the others: no memory, no connection, a limit. */
const overload = new Set(["53000", "53100", "53200", "53300", "53400"]);
/**
 * What a new connection mends. 0A000: a cached plan no longer fits its table. 26000: the server forgot a
 * prepared statement. Where nothing was prepared they mean something else: 0A000 is also what CockroachDB
 * says of all that it has not implemented.
 */
const stalePlan = new Set(["0A000", "26000"]);
/** A server that takes no writes: a standby, or a primary that has become one. */
const readOnly = "25006";

/** What a server's error says of all connections that were made before it. */
export function stalenessOf(cause: unknown): "plan" | "server" | undefined {
  const code = toServerError(cause)?.code ?? "";
  if (stalePlan.has(code)) return "plan";
  return code === readOnly ? "server" : undefined;
}

/** Judges a failed attempt by SQLSTATE and phase, never by the text of a message. */
export function fateOf(engine: Engine, phase: Phase, cause: unknown): Fate {
  if (cause instanceof DomainError) return "final";
  const server = toServerError(cause);
  // Not from the server: the connection broke, or was never made.
  if (server === undefined) return phase === "committing" ? "ambiguous" : "disconnected";
  const { code, constraint } = server;
  if (contention.has(code)) return "aborted";
  if (code.startsWith("23")) return racingConstraints.has(constraint ?? "") ? "aborted" : "final";
  if (overload.has(code)) return "overloaded";
  // A password or a database that is being changed: the next connection may be let in.
  if (phase === "connecting" && /^(28|3D)/.test(code)) return "disconnected";
  if (stalenessOf(cause)) return "disconnected";
  // Another session's cancellation: of our own the outcome is not asked for. CockroachDB says it of
  // statements that may have been committed.
  if (code === "57014") return engine === "cockroachdb" && phase === "committing" ? "ambiguous" : "aborted";
  // 25P03 and 25P04: the transaction was idle or open for too long, and the server has undone it.
  if (code === "25P03" || code === "25P04") return "disconnected";
  // 40003, 08007 and CockroachDB's 58C0x say that the outcome of a commit is unknown, 08xxx and 57P0x that
  // the connection ends: before the commit was sent the transaction died with it.
  if (code === "40003" || code.startsWith("08") || code.startsWith("57P0") || code.startsWith("58C0"))
    return phase === "committing" ? "ambiguous" : "disconnected";
  return "final";
}

/** What retrying depends on; tests own time and chance. */
export type RetryOptions = {
  readonly now?: () => number;
  readonly random?: () => number;
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<unknown>;
  /** Told of each failed attempt that is followed by another, with its fate and the SQLSTATE or errno. */
  readonly onRetry?: (fate: Fate, code: string) => void;
};

/** Attempts of one call. With the waits below they take some four seconds, most of the default deadline. */
export const attemptsMax = 64;
/**
 * Attempts that end with what no waiting of a call mends. Behind the name of a server that takes no writes
 * there may be another one within half a second; a disk is not cleared up so soon.
 */
const patience: Readonly<Record<string, number>> = { [readOnly]: 10, "53100": 3 };
/**
 * The first wait is up to 2 ms, about what a conflicting statement needs to finish; each next one up to twice
 * that.
 */
const backoffMsBase = 2;
/** A wait is never longer: those who wait longest must not be the last to learn that a hot row is free. */
const backoffMsMax = 128;
/** A database without room is left alone for longer. */
const overloadedMsMax = 1_000;

/**
 * Runs attempts until one succeeds, with full jitter between them. Gives up when the next wait would end
 * after the deadline, when the caller leaves, or after `attemptsMax`; throws what the caller may be told.
 *
 * When it is not known in the end whether an attempt happened, the error is "outcome_unknown".
 */
export async function retrying<T>(
  budget: Budget,
  attempt: () => Promise<T>,
  { now = Date.now, random = Math.random, sleep = interruptibleSleep, onRetry }: RetryOptions = {},
): Promise<T> {
  let ambiguous = false;
  for (let attempts = 1; ; attempts++) {
    try {
      return await attempt();
    } catch (error) {
      if (budget.signal.aborted) throw budget.signal.reason;
      if (!(error instanceof AttemptError)) throw error;
      const { fate } = error;
      if (fate === "final") {
        const meaning = toDomainError(error.cause);
        // An attempt without a connection has asked nothing, and what means nothing to the caller says
        // nothing of an attempt before.
        if (ambiguous && (error.phase === "connecting" || meaning === undefined))
          throw outcomeUnknown(error.cause);
        throw meaning ?? error.cause;
      }
      ambiguous ||= fate === "ambiguous";
      const ceiling =
        fate === "overloaded" ? overloadedMsMax : Math.min(backoffMsMax, backoffMsBase * 2 ** (attempts - 1));
      const waitMs = random() * ceiling;
      // Doubt is resolved by the same again, and by nothing else.
      const sensible = patience[codeOf(error.cause)] ?? attemptsMax;
      const enough = ambiguous ? attemptsMax : Math.min(budget.attemptsMax ?? attemptsMax, sensible);
      if (attempts >= enough || now() + waitMs >= budget.deadlineMs)
        throw gaveUp(fate, ambiguous, error.cause);
      onRetry?.(fate, codeOf(error.cause));
      await sleep(waitMs, budget.signal);
    }
  }
}

function gaveUp(fate: Fate, ambiguous: boolean, cause: unknown): DomainError {
  // A definite abort after an ambiguous attempt says nothing of the ambiguous one.
  if (ambiguous) return outcomeUnknown(cause);
  if (fate === "overloaded") return databaseOverloaded(cause);
  if (fate === "aborted") return contended(cause);
  if (codeOf(cause) === readOnly) return databaseReadOnly(cause);
  return databaseAway(cause);
}

function codeOf(cause: unknown): string {
  const code = (cause as { code?: unknown } | undefined)?.code;
  return typeof code === "string" ? code : "none";
}

async function interruptibleSleep(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => {
    throw signal.reason;
  });
}
