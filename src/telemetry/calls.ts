import type { DescMethod } from "@bufbuild/protobuf";
import { Code, type ConnectError } from "@connectrpc/connect";
import type { Logger } from "pino";
import { toLogFields } from "./error-info.ts";
import { toAddress } from "./addresses.ts";
import type { Arrived } from "./arrived.ts";
import { type Metrics, secondsBuckets } from "./metrics.ts";
import type { CallSpan } from "./spans.ts";
import type { Tracing } from "./tracing.ts";

/** One call as it is counted, logged and traced. */
export type Observed = {
  /** Runs a part of the call so that its spans become children of the call's span. */
  readonly run: <T>(work: () => T) => T;
  /** Sets the principal for the log. */
  readonly identify: (principal: string) => void;
  /** Records the answer: an error, or success without one. */
  readonly end: (error?: ConnectError) => void;
};

/** Observes the calls of one method; `waitedMs` is how long the call waited for its turn. */
export type Observer = (arrived: Arrived, waitedMs?: number) => Observed;

/** The protocols of calls by the names of OpenTelemetry; gRPC-Web is gRPC to those who look at calls. */
type System = "grpc" | "connectrpc";

const codeNames = new Map(
  Object.entries(Code)
    .filter((entry): entry is [string, Code] => typeof entry[1] === "number")
    .map(([name, code]) => [code, name.replace(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase()]),
);

/** What observes the calls of all methods. */
type Instruments = {
  readonly metrics: Metrics;
  readonly logger: Logger;
  /** Whether each call leaves a line, not only one that fails. */
  readonly accessLog: boolean;
  readonly tracing: Tracing | undefined;
  /** Is told of each error of a call. */
  readonly onError: (error: ConnectError) => void;
};

/** Creates observers of methods. `quiet` methods (probes) leave no log lines and no spans. */
export function createCallObservers({
  metrics,
  ...others
}: Instruments): (method: DescMethod, quiet: boolean) => Observer {
  const labels = ["rpc_method", "rpc_system_name"] as const;
  const started = metrics.counter({
    name: "rpc_server_calls_started_total",
    help: "Calls begun.",
    labels,
  });
  const durations = metrics.histogram({
    name: "rpc_server_call_duration_seconds",
    help: "From the request to its answer, by code and, of an error, by its reason (error_type).",
    labels: [...labels, "rpc_response_status_code", "error_type"],
    buckets: secondsBuckets,
  });
  return (method, quiet) => {
    const name = `${method.parent.typeName}/${method.name}`;
    const ofSystem = (system: System) => {
      const call = { rpc_method: name, rpc_system_name: system };
      const ended = (code: string, reason: string) =>
        durations({ ...call, rpc_response_status_code: code, error_type: reason });
      const succeeded = ended("OK", "");
      return {
        begin: () => started(call),
        end: (seconds: number, code: string, reason: string) =>
          (code === "OK" ? succeeded : ended(code, reason))(seconds),
      };
    };
    const counts = { grpc: ofSystem("grpc"), connectrpc: ofSystem("connectrpc") };
    const instruments = { ...others, name, counts, quiet };
    return (arrived, waitedMs = 0) => new ObservedCall(instruments, arrived, waitedMs);
  };
}

type Count = {
  readonly begin: () => void;
  readonly end: (seconds: number, code: string, reason: string) => void;
};

type MethodInstruments = Omit<Instruments, "metrics"> & {
  readonly name: string;
  readonly counts: Readonly<Record<System, Count>>;
  readonly quiet: boolean;
};

/** One call. A class, since closures for each call would cost as much as all that it does. */
class ObservedCall implements Observed {
  readonly #method: MethodInstruments;
  readonly #arrived: Arrived;
  readonly #count: Count;
  readonly #span: CallSpan | undefined;
  readonly #startMs: number;
  #principal: string | undefined;

  constructor(method: MethodInstruments, arrived: Arrived, waitedMs: number) {
    const system = systemOf(arrived);
    this.#method = method;
    this.#arrived = arrived;
    this.#startMs = performance.now() - waitedMs;
    this.#count = method.counts[system];
    this.#span = method.quiet ? undefined : method.tracing?.begin(method.name, system, arrived);
    this.#count.begin();
  }

  run<T>(work: () => T): T {
    return this.#span ? this.#span.run(work) : work();
  }

  identify(principal: string): void {
    this.#principal = principal;
  }

  end(error?: ConnectError): void {
    const durationMs = performance.now() - this.#startMs;
    const code = error ? toCodeName(error.code) : "OK";
    const reason = error ? String(toLogFields(error).reason) : "";
    this.#count.end(durationMs / 1000, code, reason);
    this.#span?.end(code, reason);
    if (error) this.#method.onError(error);
    this.#log(code, durationMs, error);
  }

  #log(code: string, durationMs: number, error: ConnectError | undefined): void {
    const { quiet, accessLog, logger, name } = this.#method;
    const usual = error ? (levels.get(error.code) ?? "debug") : "debug";
    const level = accessLog && usual === "debug" ? "info" : usual;
    if (quiet || !logger.isLevelEnabled(level)) return;
    const { listener, callId, connection } = this.#arrived;
    const line = {
      method: name,
      listener,
      principal: this.#principal,
      peer: toAddress(connection),
      x_request_id: callId.value,
      ...traceOf(this.#arrived, this.#span),
      code,
      duration_ms: Math.round(durationMs * 100) / 100,
      ...(error && toLogFields(error)),
    };
    logger[level](line, error ? "failed" : "answered");
  }
}

function systemOf({ listener, header }: Arrived): System {
  if (listener === "grpc") return "grpc";
  return /^application\/grpc\b/.test(header("content-type") ?? "") ? "grpc" : "connectrpc";
}

/** The ids of the call's own span or, where none is made, of its caller's. */
function traceOf({ header }: Arrived, span: CallSpan | undefined): object {
  if (span) return span.ids();
  const [, id] = /^[\da-f]{2}-([\da-f]{32})-[\da-f]{16}-/.exec(header("traceparent") ?? "") ?? [];
  return id === undefined ? {} : { trace_id: id };
}

/** The name of a code as gRPC spells it. */
function toCodeName(code: Code): string {
  return codeNames.get(code) ?? "UNKNOWN";
}

/**
 * Log levels of failed calls. Our faults are errors, the environment's are warnings. Callers see their own
 * mistakes, and overload (calls shed or abandoned) is counted; lines for these appear at debug only.
 */
const levels: ReadonlyMap<Code, "error" | "warn"> = new Map([
  [Code.Internal, "error"],
  [Code.Unknown, "error"],
  [Code.DataLoss, "error"],
  [Code.Unavailable, "warn"],
  [Code.DeadlineExceeded, "warn"],
]);
