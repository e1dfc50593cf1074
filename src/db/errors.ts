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
  /** Fields of the request that are wrong (BadRequest). `field` is a path in proto names: `items[2].quantity`. */
  readonly fields?: readonly { readonly field: string; readonly description: string }[];
  /** What does not exist, or exists already (ResourceInfo). `type` is the message's full name. */
  readonly resource?: { readonly type: string; readonly name: string };
  /** What would have to hold first (PreconditionFailure). */
  readonly violations?: readonly { readonly type: string; readonly subject: string; readonly description: string }[];
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
