import { randomUUID } from "node:crypto";
import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { DomainError, type ErrorFacts, type Kind } from "../db/errors.ts";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  PreconditionFailureSchema,
  ResourceInfoSchema,
  RetryInfoSchema,
} from "../gen/google/rpc/error_details_pb.ts";

type Detail = ConstructorParameters<typeof ConnectError>[3] extends (infer D)[] | undefined ? D : never;

/** The domain of every google.rpc.ErrorInfo that leaves this service (AIP-193). */
const ERROR_DOMAIN = "commerce-core";

// An error travels in HTTP trailers, base64 and message included, and gRPC's C core refuses more than 8 KiB of them:
// the caller would see RESOURCE_EXHAUSTED in the place of the error. 10 fields and these lengths stay below that.
const MESSAGE_CHARS_MAX = 1024;
const LIST_LENGTH_MAX = 10;
const ITEM_CHARS_MAX = 200;

const CODES: Readonly<Record<Kind, Code>> = {
  invalid: Code.InvalidArgument,
  not_found: Code.NotFound,
  already_exists: Code.AlreadyExists,
  failed_precondition: Code.FailedPrecondition,
  aborted: Code.Aborted,
  unauthenticated: Code.Unauthenticated,
  permission_denied: Code.PermissionDenied,
  exhausted: Code.ResourceExhausted,
  unavailable: Code.Unavailable,
  deadline_exceeded: Code.DeadlineExceeded,
  cancelled: Code.Canceled,
  // gRPC has no code for "perhaps it happened"; UNKNOWN is the one that no client library repeats by itself.
  outcome_unknown: Code.Unknown,
};

/**
 * The error to answer a caller with. What is not a DomainError, and not a ConnectError that the transport has raised,
 * leaves as INTERNAL with an id in its ErrorInfo; `onUnknown` is told the error and that id, and nobody else is.
 */
export function toConnectError(
  error: unknown,
  onUnknown: (error: unknown, id: string) => void,
): ConnectError {
  if (error instanceof DomainError) {
    return new ConnectError(
      cut(error.message, MESSAGE_CHARS_MAX),
      CODES[error.kind],
      undefined,
      toDetails(error.reason, error.facts),
      error,
    );
  }
  if (error instanceof ConnectError) return error;
  const id = randomUUID();
  onUnknown(error, id);
  const details = toDetails("INTERNAL", { metadata: { id } });
  return new ConnectError("internal error", Code.Internal, undefined, details);
}

/** The reason in an error's ErrorInfo; empty if it has none, as in errors that the transport raises. */
export function toReason(error: ConnectError): string {
  return error.cause instanceof DomainError ? error.cause.reason : "";
}

function toDetails(reason: string, facts: ErrorFacts): Detail[] {
  const { fields, resource, violations, retryAfterMs, metadata = {} } = facts;
  const entries = Object.entries(metadata).slice(0, LIST_LENGTH_MAX);
  const details = [
    detail(ErrorInfoSchema, {
      reason,
      domain: ERROR_DOMAIN,
      metadata: Object.fromEntries(entries.map(([key, value]) => [key, cut(value, MESSAGE_CHARS_MAX)])),
    }),
  ];
  if (fields) {
    const fieldViolations = fields.slice(0, LIST_LENGTH_MAX).map(({ field, description }) => ({
      field: cut(field, ITEM_CHARS_MAX),
      description: cut(description, ITEM_CHARS_MAX),
    }));
    details.push(detail(BadRequestSchema, { fieldViolations }));
  }
  if (resource) {
    const resourceName = cut(resource.name, ITEM_CHARS_MAX);
    details.push(detail(ResourceInfoSchema, { resourceType: resource.type, resourceName }));
  }
  if (violations) {
    const cutViolations = violations.slice(0, LIST_LENGTH_MAX).map(({ type, subject, description }) => ({
      type,
      subject: cut(subject, ITEM_CHARS_MAX),
      description: cut(description, ITEM_CHARS_MAX),
    }));
    details.push(detail(PreconditionFailureSchema, { violations: cutViolations }));
  }
  if (retryAfterMs !== undefined) {
    details.push(detail(RetryInfoSchema, { retryDelay: durationFromMs(retryAfterMs) }));
  }
  return details;
}

function detail<D extends DescMessage>(desc: D, value: MessageInitShape<D>): Detail {
  return { desc, value };
}

/** Cutting may halve a character, and what is not well formed cannot be written into a trailer. */
function cut(text: string, charsMax: number): string {
  return (text.length <= charsMax ? text : `${text.slice(0, charsMax - 1)}…`).toWellFormed();
}
