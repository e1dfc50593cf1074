import type { Definition } from "./definition.ts";
import { createError, DomainError } from "./domain-error.ts";
import { reasons } from "./reasons.ts";
import { emailTaken } from "./resources.ts";

/** Whether a change happened is not known; repeating the call with the same request id finds out. */
export function outcomeUnknown(cause: unknown): DomainError {
  return createError(
    "COMMIT_OUTCOME_UNKNOWN",
    "it is not known whether the change was committed; repeat the call with the same request_id",
    { retryAfterMs: 1_000 },
    cause,
  );
}

/** What is known of a call that has not been answered when the service's own deadline passes. */
export function unanswered(): DomainError {
  return outcomeUnknown(new Error("the deadline that the service has set has passed"));
}

/** An unknown outcome for a caller that gave the request_id and may repeat the call as it is. */
export function repeatable({ reason, message, facts, cause }: DomainError): DomainError {
  const { kind, kindWithKey = kind }: Definition = reasons[reason];
  return new DomainError(reason, message, facts, cause, kindWithKey);
}

/** An unknown outcome for a caller that gave no request_id, and is told the one to repeat the call with. */
export function repeatableWith(error: DomainError, name: string, made: string): DomainError {
  const remedy = `repeat the call with the ${name} ${made}`;
  const message = `it is not known whether the change was committed; ${remedy}`;
  const facts = { ...error.facts, metadata: { ...error.facts.metadata, [name]: made } };
  return new DomainError(error.reason, message, facts, error.cause);
}

/** The database cannot be reached, and was not asked to change anything. */
export function databaseAway(cause: unknown): DomainError {
  return createError(
    "DATABASE_UNAVAILABLE",
    "the database cannot be reached now; nothing was changed",
    { retryAfterMs: 1_000 },
    cause,
  );
}

/** The database has not answered in time a call that changes nothing. */
export function databaseSilent(cause: unknown): DomainError {
  return createError(
    "DATABASE_UNAVAILABLE",
    "the database has not answered in time; nothing was changed",
    { retryAfterMs: 1_000 },
    cause,
  );
}

/** The database refuses to begin any more work. */
export function databaseOverloaded(cause: unknown): DomainError {
  return createError(
    "DATABASE_OVERLOADED",
    "the database has no room for this call now",
    { retryAfterMs: 1_000 },
    cause,
  );
}

/** The database answers reads only, as one that is being replaced does. */
export function databaseReadOnly(cause: unknown): DomainError {
  return createError(
    "DATABASE_READ_ONLY",
    "the database takes no writes now; nothing was changed",
    { retryAfterMs: 1_000 },
    cause,
  );
}

/** All attempts of a call were aborted by others on the same rows. */
export function contention(cause: unknown): DomainError {
  return createError(
    "CONTENTION",
    "too many calls change the same rows now; nothing was changed",
    { retryAfterMs: 100 },
    cause,
  );
}

/** A call got no connection: the queue is full, or its turn has not come in time. */
export function poolExhausted(why: "full" | "late"): DomainError {
  const message =
    why === "full"
      ? "too many calls wait for a database connection"
      : "no database connection became free in time";
  return createError("POOL_EXHAUSTED", message, { retryAfterMs: 200 });
}

/** The database cancelled a statement that exceeded the statement timeout. */
export function tooSlow(cause: unknown): DomainError {
  return createError("DEADLINE_EXCEEDED", "the statement took too long", {}, cause);
}

/** Whether the database did not complete the request, so that the caller has to repeat it in any case. */
function isUnanswered(error: unknown): boolean {
  return error instanceof DomainError && (error.kind === "unavailable" || error.kind === "exhausted");
}

/**
 * Converts an error that follows a write of the same call: the write has or may have happened, so the error
 * must not claim that nothing was changed.
 */
export function afterwards(error: unknown): unknown {
  return isUnanswered(error) ? outcomeUnknown(error) : error;
}

/** node-postgres' class of errors that the server sent. */
export type ServerError = Error & { readonly code: string; readonly constraint?: string };

/** Returns the error if the database server sent it, which its five-character SQLSTATE shows. */
export function toServerError(error: unknown): ServerError | undefined {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === "string" && /^[0-9A-Z]{5}$/.test(code) && "severity" in (error as object)
    ? (error as ServerError)
    : undefined;
}

/**
 * Constraints whose violation is an answer to the caller. All others are races, which a re-run resolves, or
 * bugs.
 */
const constraints: Readonly<Record<string, (cause: unknown) => DomainError>> = {
  users_email_key: emailTaken,
};

/** Returns the error to answer for a refused statement, or undefined if it has no meaning for the caller. */
export function toDomainError(error: unknown): DomainError | undefined {
  if (error instanceof DomainError) return error;
  const server = toServerError(error);
  if (server?.constraint === undefined || !server.code.startsWith("23")) return undefined;
  return constraints[server.constraint]?.(error);
}
