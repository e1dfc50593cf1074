import { randomUUID } from "node:crypto";
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

/** The messages that errors carry as details, as JSON needs them. */
export const errorDetails = createRegistry(file_google_rpc_error_details);

type Detail = { readonly desc: DescMessage; readonly value: MessageInitShape<DescMessage> };

/** The domain of every google.rpc.ErrorInfo that leaves this service (AIP-193). */
const ERROR_DOMAIN = "commerce-core";

// An error travels in HTTP trailers, message and base64 included, and gRPC's C core starts to refuse them at
// 8 KiB: the caller would see RESOURCE_EXHAUSTED in the place of the error. Ten items and these lengths stay
// below that in any alphabet (a byte of the message takes three in its trailer, a byte of a detail one and a
// third).
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
  // gRPC has no code for "perhaps it happened"; UNKNOWN is the one that no client library repeats by itself.
  outcome_unknown: Code.Unknown,
  unimplemented: Code.Unimplemented,
  internal: Code.Internal,
};

/** What a caller is not told about: an unknown error. The caller is told its id, the log both. */
class Masked extends Error {
  readonly id: string = randomUUID();
}

/**
 * The error to answer a caller with. What is not a DomainError, and not a ConnectError that the transport has
 * raised, leaves as INTERNAL with an id in its ErrorInfo; toLogFields() has the error itself.
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

/** The error of a request that reaches no handler, because it breaks a rule of the transport. */
export function toRefusal(reason: TransportReason, message: string): ConnectError {
  return toConnectError(createError(reason, message));
}

/** What a transport's library means by the codes of the errors that it raises by itself. */
const RAISED: Readonly<Partial<Record<Code, Reason>>> = {
  [Code.InvalidArgument]: "MALFORMED_REQUEST",
  [Code.ResourceExhausted]: "MESSAGE_TOO_LARGE",
  [Code.Unimplemented]: "NOT_SUPPORTED",
  [Code.DeadlineExceeded]: "DEADLINE_EXCEEDED",
  [Code.Canceled]: "CANCELLED",
};

/**
 * Gives an error that a transport's library has raised the ErrorInfo that ours have. It is the same error,
 * because that is what the library answers.
 */
export function explain(error: ConnectError): ConnectError {
  if (findInfo(error)) return error;
  const { code } = error;
  // Both libraries say in their last word how large a message may be.
  const bytesMax = code === Code.ResourceExhausted && /(\d+)\)?$/.exec(error.rawMessage)?.[1];
  const words = cut(error.rawMessage, MESSAGE_BYTES_MAX);
  const { message, rawMessage, details } = bytesMax
    ? toConnectError(tooLarge(Number(bytesMax)))
    : new ConnectError(words, code, undefined, toDetails(RAISED[code] ?? "TRANSPORT", {}));
  return Object.assign(error, { message, rawMessage, details });
}

/** The error as a message: for a row that is refused while its call goes on. */
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

/**
 * What the log says of a failed call beside its code. Not its message, which may quote ids, emails and other
 * parts of the request: they are in no log.
 */
export function toLogFields(error: ConnectError): Readonly<Record<string, unknown>> {
  const { reason = "" } = findInfo(error) ?? {};
  const { cause } = error;
  if (cause instanceof Masked) return { reason, id: cause.id, err: cause.cause };
  return { reason };
}

function findInfo({ details }: ConnectError): MessageInitShape<typeof ErrorInfoSchema> | undefined {
  for (const each of details) if ("desc" in each && each.desc === ErrorInfoSchema) return each.value;
  return undefined;
}

function toDetails(reason: Reason, facts: ErrorFacts): Detail[] {
  const { fields, resource, violations, retryAfterMs, metadata = {} } = facts;
  const entries = Object.entries(metadata).slice(0, ITEMS_MAX);
  const valueBytesMax = Math.floor(METADATA_BYTES_MAX / entries.length);
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

/** At most so many bytes of UTF-8, well formed, because nothing else can be written into a trailer. */
function cut(text: string, bytesMax: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= bytesMax) return text.toWellFormed();
  const end = "…";
  const start = bytes.subarray(0, bytesMax - Buffer.byteLength(end)).toString();
  // What was cut in the middle of a character ends in U+FFFD.
  return start.replace(/\uFFFD+$/u, "") + end;
}
