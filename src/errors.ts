/** What went wrong, in domain terms. rpc/status.ts maps each kind to the transport's code. */
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
  /** Wrong fields of the request (BadRequest). `field` is a path in proto names: `items[2].quantity`. */
  readonly fields?: readonly { readonly field: string; readonly description: string }[];
  /** The missing or already existing resource (ResourceInfo). `type` is the message's full name. */
  readonly resource?: { readonly type: string; readonly name: string };
  /** Conditions that have to hold first (PreconditionFailure). */
  readonly violations?: readonly {
    readonly type: string;
    readonly subject: string;
    readonly description: string;
  }[];
  /** How long to wait before repeating the call unchanged, in milliseconds (RetryInfo). */
  readonly retryAfterMs?: number;
  /** The dynamic parts of the message (ErrorInfo.metadata). */
  readonly metadata?: Readonly<Record<string, string>>;
};

/** An error that the caller sees: its kind, a stable reason, and the facts to act on. */
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

/** Whether a change happened is not known; repeating the call with the same request id finds out. */
export function outcomeUnknown(cause: unknown): DomainError {
  return new DomainError(
    "outcome_unknown",
    "COMMIT_OUTCOME_UNKNOWN",
    "it is not known whether the change was committed; repeat the call with the same request_id",
    { retryAfterMs: 1_000 },
    cause,
  );
}

/** The database cannot be reached, and was not asked to change anything. */
export function databaseAway(cause: unknown): DomainError {
  return new DomainError(
    "unavailable",
    "DATABASE_UNAVAILABLE",
    "the database cannot be reached now; nothing was changed",
    { retryAfterMs: 1_000 },
    cause,
  );
}

/** Whether the database did not complete the request, so that the caller has to repeat it in any case. */
export function isUnanswered(error: unknown): boolean {
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
type ServerError = Error & { readonly code: string; readonly constraint?: string };

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
const constraints: Readonly<Record<string, DomainError>> = {
  users_email_key: new DomainError("already_exists", "EMAIL_TAKEN", "another user has this email", {
    resource: { type: "commerce.user.v1.User", name: "email" },
  }),
};

/** Returns the error to answer for a refused statement, or undefined if it has no meaning for the caller. */
export function toDomainError(error: unknown): DomainError | undefined {
  if (error instanceof DomainError) return error;
  const server = toServerError(error);
  if (server?.constraint !== undefined && server.code.startsWith("23")) {
    const known = constraints[server.constraint];
    return known && new DomainError(known.kind, known.reason, known.message, known.facts, error);
  }
  return undefined;
}

/** The database cancelled a statement that exceeded the statement timeout. */
export function tooSlow(cause: unknown): DomainError {
  return new DomainError("deadline_exceeded", "DEADLINE_EXCEEDED", "the statement took too long", {}, cause);
}
