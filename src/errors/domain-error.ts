import type { Kind } from "./definition.ts";
import { type CataloguedFacts, type Reason, reasons } from "./reasons.ts";

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

/**
 * An error that the caller sees: its kind, a stable reason, and the facts to act on. Made by createError()
 * and the functions beside it, which hold it to the catalogue.
 */
export class DomainError extends Error {
  readonly kind: Kind;
  readonly reason: Reason;
  readonly facts: ErrorFacts;

  /** The kind is that of the catalogue unless another one is given. */
  constructor(
    reason: Reason,
    message: string,
    facts: ErrorFacts = {},
    cause?: unknown,
    kind: Kind = reasons[reason].kind,
  ) {
    super(message, { cause });
    this.name = "DomainError";
    this.kind = kind;
    this.reason = reason;
    this.facts = facts;
  }
}

/** The facts of an error of a reason. */
type FactsOf<R extends Reason> = Omit<ErrorFacts, "metadata" | "retryAfterMs"> & CataloguedFacts<R>;

/** The facts may be left out where the reason requires none. */
type Rest<R extends Reason> =
  object extends FactsOf<R> ? [facts?: FactsOf<R>, cause?: unknown] : [facts: FactsOf<R>, cause?: unknown];

/** Makes an error with the kind, the metadata and the RetryInfo that the catalogue has for its reason. */
export function createError<R extends Reason>(
  reason: R,
  message: string,
  ...[facts, cause]: Rest<R>
): DomainError {
  return new DomainError(reason, message, facts, cause);
}

/** What is stored of an error, maybe by a later release and for a reason that this one does not know. */
export type StoredError = {
  readonly kind: string;
  readonly reason: string;
  readonly message: string;
  readonly facts: ErrorFacts;
};

/** Makes an error that is equal to the one that was stored. */
export function restoreError({ kind, reason, message, facts }: StoredError): DomainError {
  return new DomainError(reason as Reason, message, facts, undefined, kind as Kind);
}

/** The request itself is wrong: INVALID_ARGUMENT naming the field. */
export function invalid(
  field: string,
  description: string,
  reason: "INVALID_FIELD" | "INVALID_PAGE_TOKEN" | "MALFORMED_ROW" | "REQUEST_ID_REUSED" = "INVALID_FIELD",
): DomainError {
  return createError(reason, `${field}: ${description}`, { fields: [{ field, description }] });
}
