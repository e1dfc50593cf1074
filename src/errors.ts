/** What went wrong, in the words of the domain. The transport's code for each stands in rpc/status.ts. */
export type Kind =
  | "invalid"
  | "not_found"
  | "already_exists"
  | "failed_precondition"
  | "aborted"
  | "unauthenticated"
  | "permission_denied"
  | "exhausted"
  | "unavailable"
  | "deadline_exceeded"
  | "cancelled"
  | "outcome_unknown";

/** What a caller needs to act on an error; each part becomes a google.rpc detail. */
export type ErrorFacts = {
  /**
   * Fields of the request that are wrong (BadRequest). `field` is a path in proto names: `items[2].quantity`.
   */
  readonly fields?: readonly { readonly field: string; readonly description: string }[];
  /** What does not exist, or exists already (ResourceInfo). `type` is the message's full name. */
  readonly resource?: { readonly type: string; readonly name: string };
  /** What would have to hold first (PreconditionFailure). */
  readonly violations?: readonly {
    readonly type: string;
    readonly subject: string;
    readonly description: string;
  }[];
  /** How long to wait before the call is repeated as it is, in milliseconds (RetryInfo). */
  readonly retryAfterMs?: number;
  /** The dynamic parts of the message (ErrorInfo.metadata). */
  readonly metadata?: Readonly<Record<string, string>>;
};

/** An error that a caller is told about: what happened, a stable reason, and the facts to act on. */
export class DomainError extends Error {
  readonly kind: Kind;
  /** A stable name for branching, UPPER_SNAKE_CASE (AIP-193). */
  readonly reason: string;
  readonly facts: ErrorFacts;

  constructor(kind: Kind, reason: string, message: string, facts: ErrorFacts = {}, cause?: unknown) {
    super(message, { cause });
    this.name = "DomainError";
    this.kind = kind;
    this.reason = reason;
    this.facts = facts;
  }
}

/** The request itself is wrong: INVALID_ARGUMENT naming the field. */
export function invalid(field: string, description: string, reason = "INVALID_FIELD"): DomainError {
  return new DomainError("invalid", reason, `${field}: ${description}`, { fields: [{ field, description }] });
}

/** It is not known whether a change happened; a repetition with the same request id finds out. */
export function outcomeUnknown(cause: unknown): DomainError {
  return new DomainError(
    "outcome_unknown",
    "COMMIT_OUTCOME_UNKNOWN",
    "it is not known whether the change was committed; repeat the call with the same request_id",
    { retryAfterMs: 1_000 },
    cause,
  );
}

/** The database cannot be reached, and has not been asked to change anything. */
export function databaseAway(cause: unknown): DomainError {
  return new DomainError(
    "unavailable",
    "DATABASE_UNAVAILABLE",
    "the database cannot be reached now; nothing was changed",
    { retryAfterMs: 1_000 },
    cause,
  );
}

/** Too many other transactions change the same rows. */
export function contention(cause: unknown): DomainError {
  return new DomainError(
    "unavailable",
    "CONTENTION",
    "too many calls change the same rows now; nothing was changed",
    { retryAfterMs: 100 },
    cause,
  );
}

/** The database has no room: memory, connections, disk. */
export function databaseOverloaded(cause: unknown): DomainError {
  return new DomainError(
    "exhausted",
    "DATABASE_OVERLOADED",
    "the database has no room for this call now",
    { retryAfterMs: 1_000 },
    cause,
  );
}

/** The database is a standby, or has become one. */
export function databaseReadOnly(cause: unknown): DomainError {
  return new DomainError(
    "unavailable",
    "DATABASE_READ_ONLY",
    "the database takes no writes now; nothing was changed",
    { retryAfterMs: 1_000 },
    cause,
  );
}

/** The database has not been asked, or not to the end: the caller is to come again in any case. */
export function isUnanswered(error: unknown): boolean {
  return error instanceof DomainError && (error.kind === "unavailable" || error.kind === "exhausted");
}

/**
 * The error of what follows a write of the same call: that write has happened all the same, or may have, so
 * that the caller must not be told that nothing was changed.
 */
export function afterwards(error: unknown): unknown {
  return isUnanswered(error) ? outcomeUnknown(error) : error;
}

/** The class that node-postgres gives an error which the server sent. */
export type ServerError = Error & { readonly code: string; readonly constraint?: string };

/** Returns the error that the database server sent, if it is one: it has a five-character SQLSTATE. */
export function toServerError(error: unknown): ServerError | undefined {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === "string" && /^[0-9A-Z]{5}$/.test(code) && "severity" in (error as object)
    ? (error as ServerError)
    : undefined;
}

/**
 * Constraints whose violation is an answer to the caller. All others are races, which a re-run sees, or our
 * mistake.
 */
const constraints: Readonly<Record<string, DomainError>> = {
  users_email_key: new DomainError("already_exists", "EMAIL_TAKEN", "another user has this email", {
    resource: { type: "commerce.user.v1.User", name: "email" },
  }),
};

/** What a refused statement means to the caller, or undefined if it means nothing to the caller. */
export function toDomainError(error: unknown): DomainError | undefined {
  if (error instanceof DomainError) return error;
  const server = toServerError(error);
  if (server?.constraint !== undefined && server.code.startsWith("23")) {
    const known = constraints[server.constraint];
    return known && new DomainError(known.kind, known.reason, known.message, known.facts, error);
  }
  return undefined;
}

/** The database has stopped a statement that took longer than any may. */
export function tooSlow(cause: unknown): DomainError {
  return new DomainError("deadline_exceeded", "DEADLINE_EXCEEDED", "the statement took too long", {}, cause);
}
