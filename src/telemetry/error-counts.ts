import type { ConnectError } from "@connectrpc/connect";
import { type Bound, bounds } from "../bounds.ts";
import type { Reason } from "../errors.ts";
import { checkOf, toLogFields } from "./error-info.ts";
import type { ListenerName } from "./arrived.ts";
import type { Metrics } from "./metrics.ts";

/** The reasons that are used for limits only. */
const limits: ReadonlySet<string> = new Set<Reason>([
  ...Object.values<Bound>(bounds).flatMap(({ reason }) =>
    reason === undefined || /^(INVALID|MALFORMED)_/.test(reason) ? [] : [reason],
  ),
  "STREAM_IDLE",
  "TOO_MANY_ATTEMPTS",
  "DATABASE_OVERLOADED",
]);

/** Why a caller is not who it must be, or may not do what it asks for. */
const authReasons: ReadonlySet<string> = new Set<Reason>([
  "CREDENTIALS_MISSING",
  "CREDENTIALS_MALFORMED",
  "TOKEN_EXPIRED",
  "TOKEN_INVALID",
  "METHOD_CLOSED",
  "SCOPE_MISSING",
  "SIGNING_KEYS_UNAVAILABLE",
]);

/** Creates the counters of errors that have more to say than the duration of calls by reason. */
export function createErrorCounts(metrics: Metrics): {
  /** Is told of each error of a call. */
  readonly onError: (error: ConnectError) => void;
  /** Is told of each error of a request that is no call of a method. */
  readonly onRefusal: (listener: ListenerName | "admin", error: ConnectError) => void;
} {
  const refused = metrics.counter({
    name: "rpc_server_requests_refused_total",
    help: "Refused requests and connections that were no call of a method, by the reason in their answer.",
    labels: ["listener", "error_type"],
  });
  const limited = metrics.counter({
    name: "rpc_server_limits_met_total",
    help: "Calls, requests and connections refused because a limit was met, by the reason in their answer.",
    labels: ["limit"],
  });
  const authFailures = metrics.counter({
    name: "rpc_server_auth_failures_total",
    help: "Calls refused because of who the caller is: by the reason or, of a token, by the check it fails.",
    labels: ["cause"],
  });
  const onError = (error: ConnectError): void => {
    const reason = String(toLogFields(error).reason);
    if (limits.has(reason)) limited({ limit: reason });
    if (authReasons.has(reason)) authFailures({ cause: checkOf(error) ?? reason });
  };
  return {
    onError,
    onRefusal(listener, error) {
      refused({ listener, error_type: String(toLogFields(error).reason) });
      onError(error);
    },
  };
}
