import { Code, ConnectError } from "@connectrpc/connect";
import { toFactName } from "./fact-name.ts";
import type { RefusedRow } from "./gen/commerce/order/v1/order_service_pb.ts";
import type { FactsByReason } from "./gen/reasons.ts";
import { repeats } from "./gen/reasons.ts";
import { ErrorInfoSchema, RetryInfoSchema, type ErrorInfo } from "./gen/google/rpc/error_details_pb.ts";

/**
 * Why the service refuses a call: the `reason` of its google.rpc.ErrorInfo, which never changes its
 * meaning.
 */
export type Reason = keyof FactsByReason;

/** What this client knows of a call that has failed, beside the error itself. */
export type FailedCall = {
  /**
   * The idempotency key of a mutation, given by the caller or made by the client. With it the same call may
   * be made again until its outcome is known. Undefined for calls that have none.
   */
  readonly requestId: string | undefined;
  /** How many attempts the call has had. */
  readonly attempts: number;
  /**
   * Whether the mutation may have happened: an attempt was not answered, and none was refused for good.
   * Always false for calls that change nothing.
   */
  readonly inDoubt: boolean;
};

type Facts<R extends Reason | undefined> = R extends Reason
  ? { readonly reason: R; readonly facts: FactsByReason[R] }
  : { readonly reason: undefined; readonly facts: Readonly<Record<string, string>> };

/**
 * An error of a call: a ConnectError with the service's reason. `error.reason === "INSUFFICIENT_STOCK"`
 * narrows `error.facts` to what such an error carries.
 *
 * `reason` is undefined where the service has not answered, such as for a broken connection, and for a
 * reason that this release of the client does not know: go by `error.code` then. `facts` holds the metadata
 * of the error in either case; other details are found by `error.findDetails()`.
 */
export type CommerceError<R extends Reason | undefined = Reason | undefined> = R extends unknown
  ? ConnectError & FailedCall & Facts<R>
  : never;

/** The domain of the google.rpc.ErrorInfo of this service's errors (AIP-193). */
const domain = "commerce-core";

class Failure extends ConnectError implements FailedCall {
  readonly reason: Reason | undefined;
  readonly facts: Readonly<Record<string, string>>;
  readonly requestId: string | undefined;
  readonly attempts: number;
  readonly inDoubt: boolean;

  constructor(error: ConnectError, { requestId, attempts, inDoubt }: FailedCall) {
    super(error.rawMessage, error.code, error.metadata, undefined, error.cause ?? error);
    // The name stays: ConnectError's own `instanceof` goes by it.
    this.details = error.details;
    const info = findInfo(error);
    this.reason = info && isReason(info.reason) ? info.reason : undefined;
    this.facts = toFacts(info?.metadata ?? {});
    this.requestId = requestId;
    this.attempts = attempts;
    this.inDoubt = inDoubt;
  }

  /**
   * ConnectError takes whatever looks like one, since there may be several copies of the package; so does
   * this.
   */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return value instanceof ConnectError && "facts" in value && "inDoubt" in value;
  }
}
// What tools call an error that they print.
Object.defineProperty(Failure, "name", { value: "CommerceError" });

/** For `error instanceof CommerceError`: every error of a call is one. */
export const CommerceError = Failure as unknown as {
  readonly prototype: CommerceError;
  [Symbol.hasInstance](value: unknown): value is CommerceError;
};

/** Adds the reason and what is known of the call to an error of a transport. */
export function toCommerceError(error: ConnectError, call: FailedCall): CommerceError {
  return new Failure(error, call) as CommerceError;
}

/** What ended an attempt before anything of it was sent. */
export class UnsentError extends ConnectError {
  // Every ConnectError is an instance of every subclass of it: Connect asks for the name.
  readonly isUnsent = true;

  constructor({ reason }: AbortSignal) {
    const isLate = reason instanceof DOMException && reason.name === "TimeoutError";
    const { rawMessage, code } = ConnectError.from(reason, Code.Canceled);
    super(isLate ? "there was no token in time" : rawMessage, isLate ? Code.DeadlineExceeded : code);
  }
}

/** The error of a call that was given up before its first attempt: nothing was sent. */
export function neverBegun({ reason }: AbortSignal, requestId?: string): CommerceError {
  const error = ConnectError.from(reason, Code.Canceled);
  return toCommerceError(error, { requestId, attempts: 0, inDoubt: false });
}

/** The error of a row that an import has refused: as if the row had been a call of its own. */
export function refusalOf({ status }: RefusedRow): CommerceError {
  const { code = Code.Unknown, message = "", details = [] } = status ?? {};
  const error = new ConnectError(message, code);
  error.details = details.map(({ typeUrl, value }) => ({
    type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1),
    value,
  }));
  return toCommerceError(error, { requestId: undefined, attempts: 1, inDoubt: false });
}

/** The service's word on why a call has failed; undefined if the error is not the service's. */
export function findInfo(error: ConnectError): ErrorInfo | undefined {
  return error.findDetails(ErrorInfoSchema).find((info) => info.domain === domain);
}

/** How long to wait before the same call is made again, in milliseconds; undefined if nothing was said. */
export function findRetryAfterMs(error: ConnectError): number | undefined {
  const [info] = error.findDetails(RetryInfoSchema);
  if (info === undefined) return undefined;
  const { seconds, nanos } = info.retryDelay ?? { seconds: 0n, nanos: 0 };
  return Number(seconds) * 1_000 + nanos / 1e6;
}

/** Whether this release of the client knows a reason. */
export function isReason(text: string): text is Reason {
  return Object.hasOwn(repeats, text);
}

function toFacts(metadata: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(metadata).map(([key, value]) => [toFactName(key), value]));
}
