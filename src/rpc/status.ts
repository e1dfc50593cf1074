import { create, createRegistry, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import { anyPack, durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  createError,
  DomainError,
  type ErrorFacts,
  type Kind,
  type Reason,
  tooLarge,
  type TransportReason,
} from "../errors.ts";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  file_google_rpc_error_details,
  PreconditionFailureSchema,
  ResourceInfoSchema,
  RetryInfoSchema,
} from "../gen/google/rpc/error_details_pb.ts";
import type { StatusSchema } from "../gen/google/rpc/status_pb.ts";
import { findInfo, Masked } from "../telemetry/error-info.ts";

/** The message types of error details, for JSON. */
export const errorDetails = createRegistry(file_google_rpc_error_details);

type Detail = { readonly desc: DescMessage; readonly value: MessageInitShape<DescMessage> };

/** The domain of every google.rpc.ErrorInfo of this service (AIP-193). */
const ERROR_DOMAIN = "commerce-core";

// Errors travel in HTTP trailers, message and base64 included, and gRPC's C core rejects trailers from 8 KiB:
// the caller would see RESOURCE_EXHAUSTED instead of the error. Ten items and these lengths stay below that
// in any alphabet (in trailers a byte of the message takes three, a byte of a detail one and a third).
const MESSAGE_BYTES_MAX = 512;
const METADATA_BYTES_MAX = 1024;
const ITEMS_MAX = 10;
const ITEM_BYTES_MAX = 150;

/** The code of each kind. */
export const CODES: Readonly<Record<Kind, Code>> = {
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
  // gRPC has no code for an unknown outcome; UNKNOWN is the one that no client library retries by itself.
  outcome_unknown: Code.Unknown,
  unimplemented: Code.Unimplemented,
  internal: Code.Internal,
};

/**
 * Returns the error to answer. Errors other than DomainErrors and the transport's ConnectErrors become
 * INTERNAL with an id in the ErrorInfo; toLogFields() has the original.
 */
export function toConnectError(error: unknown): ConnectError {
  if (error instanceof DomainError) return toAnswer(error, error);
  if (error instanceof ConnectError) return explain(error);
  const masked = new Masked("unknown error", { cause: error });
  return toAnswer(createError("INTERNAL", "internal error", { metadata: { id: masked.id } }), masked);
}

function toAnswer({ message, kind, reason, facts }: DomainError, cause: unknown): ConnectError {
  const words = cut(message, MESSAGE_BYTES_MAX);
  return new ConnectError(words, CODES[kind], undefined, toDetails(reason, facts), cause);
}

/** Creates the error for a request that breaks a rule of the transport and reaches no handler. */
export function toRefusal(reason: TransportReason, message: string): ConnectError {
  return toConnectError(createError(reason, message));
}

/** The reasons for errors that a transport's library raises itself, by code. */
const RAISED: Readonly<Partial<Record<Code, Reason>>> = {
  [Code.InvalidArgument]: "MALFORMED_REQUEST",
  [Code.ResourceExhausted]: "MESSAGE_TOO_LARGE",
  [Code.Unimplemented]: "NOT_SUPPORTED",
  [Code.DeadlineExceeded]: "DEADLINE_EXCEEDED",
  [Code.Canceled]: "CANCELLED",
};

/**
 * Adds an ErrorInfo to an error of a transport's library. Mutates it, because the library answers that
 * object.
 */
export function explain(error: ConnectError): ConnectError {
  if (findInfo(error)) return error;
  const { code } = error;
  // Both libraries end their message with the largest size.
  const bytesMax = code === Code.ResourceExhausted && /(\d+)\)?$/.exec(error.rawMessage)?.[1];
  const words = cut(error.rawMessage, MESSAGE_BYTES_MAX);
  const { message, rawMessage, details } = bytesMax
    ? toConnectError(tooLarge(Number(bytesMax)))
    : new ConnectError(words, code, undefined, toDetails(RAISED[code] ?? "TRANSPORT", {}));
  return Object.assign(error, { message, rawMessage, details });
}

/** Converts the error to a message, for a refused row in a call that goes on. */
export function toStatus({
  message,
  kind,
  reason,
  facts,
}: DomainError): MessageInitShape<typeof StatusSchema> {
  return {
    code: CODES[kind],
    message: cut(message, MESSAGE_BYTES_MAX),
    details: toDetails(reason, facts).map(({ desc, value }) => anyPack(desc, create(desc, value))),
  };
}

function toDetails(reason: Reason, facts: ErrorFacts): Detail[] {
  const { fields, resource, violations, retryAfterMs, metadata = {} } = facts;
  const entries = Object.entries(metadata).slice(0, ITEMS_MAX);
  const bytes = entries.reduce((sum, [, value]) => sum + Buffer.byteLength(value), 0);
  const valueBytesMax = bytes <= METADATA_BYTES_MAX ? bytes : Math.floor(METADATA_BYTES_MAX / entries.length);
  const values = entries.map(([key, value]) => [key, cut(value, valueBytesMax)]);
  const details = [
    detail(ErrorInfoSchema, { reason, domain: ERROR_DOMAIN, metadata: Object.fromEntries(values) }),
  ];
  if (fields) {
    const fieldViolations = fields.slice(0, ITEMS_MAX).map(({ field, description }) => ({
      field: cut(field, ITEM_BYTES_MAX),
      description: cut(description, ITEM_BYTES_MAX),
    }));
    details.push(detail(BadRequestSchema, { fieldViolations }));
  }
  if (resource) {
    const { type: resourceType, name } = resource;
    details.push(detail(ResourceInfoSchema, { resourceType, resourceName: cut(name, ITEM_BYTES_MAX) }));
  }
  if (violations) {
    const shown = violations.slice(0, ITEMS_MAX).map(({ type, subject, description }) => ({
      type,
      subject: cut(subject, ITEM_BYTES_MAX),
      description: cut(description, ITEM_BYTES_MAX),
    }));
    details.push(detail(PreconditionFailureSchema, { violations: shown }));
  }
  if (retryAfterMs !== undefined) {
    details.push(detail(RetryInfoSchema, { retryDelay: durationFromMs(retryAfterMs) }));
  }
  return details;
}

function detail<D extends DescMessage>(desc: D, value: MessageInitShape<D>): Detail {
  return { desc, value };
}

/** Cuts text to `bytesMax` bytes of well-formed UTF-8, as trailers require. */
function cut(text: string, bytesMax: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= bytesMax) return text.toWellFormed();
  const end = "…";
  const start = bytes.subarray(0, bytesMax - Buffer.byteLength(end)).toString();
  // A character that was cut in the middle becomes U+FFFD.
  return start.replace(/\uFFFD+$/u, "") + end;
}
