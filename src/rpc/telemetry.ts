import type { DescMethod } from "@bufbuild/protobuf";
import { Code, type ConnectError } from "@connectrpc/connect";
import { type DestinationStream, destination, type Logger, pino } from "pino";
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Config } from "../config.ts";
import { toErrorFields } from "./error-fields.ts";
import { createLimitCount } from "./limit-count.ts";
import { toLogFields } from "./status.ts";

/** The listener that received a call. */
export type ListenerName = "grpc" | "http";

/** One call as it is counted, logged and traced. */
export type Observed = {
  /** Runs a part of the call so that its spans become children of the call's span. */
  readonly run: <T>(work: () => T) => T;
  /** Sets the principal for the log. */
  readonly identify: (principal: string) => void;
  /** Records the answer: an error, or success without one. */
  readonly end: (error?: ConnectError) => void;
};

/** Observes the calls of one method. */
export type Observer = (
  listener: ListenerName,
  header: (name: string) => string | null,
  /** How long the call waited for its turn, in milliseconds. */
  waitedMs?: number,
) => Observed;

/** Metrics as a scrape gets them. */
export type Scraped = { readonly contentType: string; readonly body: string };

/** Logs, metrics and traces. Disposing sends the remaining spans. */
export type Telemetry = AsyncDisposable & {
  readonly logger: Logger;
  /** `quiet` methods (probes) leave no log lines and no spans. */
  readonly observe: (method: DescMethod, quiet: boolean) => Observer;
  /** Counts and logs the refusal of a request that is no call of a method. */
  readonly refused: (listener: ListenerName | "admin", error: ConnectError) => void;
  /** Creates a counter as a function, so that callers do not depend on the library. One label at most. */
  readonly counter: (
    name: string,
    help: string,
    label?: string,
  ) => (labelValue?: string, by?: number) => void;
  /** Registers a gauge that is read only by scrapes; one value per label. */
  readonly gauge: {
    (name: string, help: string, read: () => number): void;
    (name: string, help: string, read: () => Readonly<Record<string, number>>, label: string): void;
  };
  /** All metrics in Prometheus' text format. */
  readonly scrape: () => Promise<Scraped>;
  /** All metrics as data, to be added to those of other processes. */
  readonly metrics: Registry["getMetricsAsJSON"];
};

/** Opens a span for a call; see tracing.ts. */
type BeginSpan = (
  method: DescMethod,
  header: (name: string) => string | null,
) => { readonly run: <T>(work: () => T) => T; readonly end: (code: string | undefined) => void };

// From half a millisecond, a read from memory, to the longest deadline of a unary call.
const SECONDS_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

const CODE_NAMES = new Map(
  Object.entries(Code)
    .filter((entry): entry is [string, Code] => typeof entry[1] === "number")
    .map(([name, code]) => [code, name.replace(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase()]),
);

/**
 * Creates logs (JSON lines, by default to standard error, since standard output is for people), metrics and,
 * if a collector is configured, traces. None of them contains a request's content, tokens or passwords. Each
 * line has the fields of `base`.
 */
export async function createTelemetry(
  config: Pick<Config, "logLevel" | "tracesEndpoint">,
  lines: DestinationStream = destination({ fd: 2, sync: true }),
  base: Readonly<Record<string, unknown>> = {},
): Promise<Telemetry> {
  const logger = pino(
    {
      level: config.logLevel,
      base,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: toErrorFields },
      redact: ["password", "authorization", "*.password", "*.authorization"],
    },
    lines,
  );
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const labelNames = ["service", "method", "door"];
  const started = new Counter({
    name: "rpc_server_started_total",
    help: "Calls begun.",
    labelNames,
    registers,
  });
  const seconds = new Histogram({
    name: "rpc_server_duration_seconds",
    help: "From the request to its answer. Its count is the number of calls answered, by code.",
    labelNames: [...labelNames, "code"],
    buckets: SECONDS_BUCKETS,
    registers,
  });
  const refused = new Counter({
    name: "rpc_server_refused_total",
    help: "Refused requests that were no call of a method, by the reason in their answer.",
    labelNames: ["door", "reason"],
    registers,
  });
  const countLimit = createLimitCount(registers);
  // Loaded on demand: the SDK costs 130 ms at start and 9 MiB.
  const tracing = config.tracesEndpoint
    ? (await import("./tracing.ts")).startTracing(config.tracesEndpoint, createFailureLog(logger))
    : undefined;
  const observe = (method: DescMethod, quiet: boolean): Observer =>
    createObserver(method, { started, seconds, countLimit, logger, quiet, beginSpan: tracing?.begin });

  return {
    logger,
    observe,
    refused(listener, error) {
      const { reason } = toLogFields(error);
      refused.inc({ door: listener, reason: String(reason) });
      countLimit(error);
      logger.debug({ door: listener, reason }, "refused");
    },
    ...createMetrics(registry),
    async [Symbol.asyncDispose]() {
      await tracing?.[Symbol.asyncDispose]();
    },
  };
}

/** Metrics as functions, in a registry. */
function createMetrics(registry: Registry): Pick<Telemetry, "counter" | "gauge" | "scrape" | "metrics"> {
  const registers = [registry];
  return {
    counter(name, help, label) {
      const counter = new Counter({ name, help, labelNames: label ? [label] : [], registers });
      return label
        ? (labelValue = "", by = 1) => counter.inc({ [label]: labelValue }, by)
        : (_labelValue, by = 1) => counter.inc(by);
    },
    gauge(name: string, help: string, read: () => number | Readonly<Record<string, number>>, label?: string) {
      const collect = (): void => {
        const value = read();
        if (typeof value === "number") return gauge.set(value);
        // What is not there any more is not told any more.
        gauge.reset();
        for (const [each, number] of Object.entries(value)) gauge.set({ [label!]: each }, number);
      };
      const gauge: Gauge = new Gauge({ name, help, labelNames: label ? [label] : [], registers, collect });
    },
    scrape: async () => ({ contentType: registry.contentType, body: await registry.metrics() }),
    metrics: () => registry.getMetricsAsJSON(),
  };
}

/** The least interval between log lines about an unavailable collector. */
const failureLogMs = 60_000;

/** Logs that traces cannot be sent: the first time at once, then how often it happened since. */
function createFailureLog(logger: Logger): (reason: string) => void {
  let loggedMs = -Infinity;
  let failures = 0;
  return (reason) => {
    failures++;
    if (performance.now() - loggedMs < failureLogMs) return;
    logger.warn({ reason, failures }, "traces cannot be sent to the collector");
    loggedMs = performance.now();
    failures = 0;
  };
}

type Instruments = {
  readonly started: Counter;
  readonly seconds: Histogram;
  readonly countLimit: (error: ConnectError) => void;
  readonly logger: Logger;
  readonly quiet: boolean;
  readonly beginSpan: BeginSpan | undefined;
};

function createObserver(
  method: DescMethod,
  { started, seconds, countLimit, logger, quiet, beginSpan }: Instruments,
): Observer {
  const rpc = `${method.parent.typeName}/${method.name}`;
  const labels = { service: method.parent.typeName, method: method.name };
  const begun = {
    grpc: started.labels({ ...labels, door: "grpc" }),
    http: started.labels({ ...labels, door: "http" }),
  };
  const logsSuccess = !quiet && logger.isLevelEnabled("debug");

  return (listener, header, waitedMs = 0) => {
    const startMs = performance.now() - waitedMs;
    const span = quiet ? undefined : beginSpan?.(method, header);
    let principal: string | undefined;
    begun[listener].inc();
    return {
      run: span?.run ?? runPlainly,
      identify: (authenticated) => (principal = authenticated),
      end(error) {
        const durationMs = performance.now() - startMs;
        const code = error ? toCodeName(error.code) : "OK";
        seconds.observe({ ...labels, door: listener, code }, durationMs / 1000);
        span?.end(error && code);
        if (error) countLimit(error);
        if (quiet || (!error && !logsSuccess)) return;
        const line = { rpc, door: listener, principal, code, durationMs: Math.round(durationMs * 100) / 100 };
        if (!error) logger.debug(line, "answered");
        else logger[LEVELS.get(error.code) ?? "debug"]({ ...line, ...toLogFields(error) }, "failed");
      },
    };
  };
}

function runPlainly<T>(work: () => T): T {
  return work();
}

/** The name of a code as gRPC spells it. */
function toCodeName(code: Code): string {
  return CODE_NAMES.get(code) ?? "UNKNOWN";
}

/**
 * Log levels of failed calls. Our faults are errors, the environment's are warnings. Callers see their own
 * mistakes, and overload (calls shed or abandoned) is counted; lines for these appear at debug only.
 */
const LEVELS: ReadonlyMap<Code, "error" | "warn"> = new Map([
  [Code.Internal, "error"],
  [Code.Unknown, "error"],
  [Code.DataLoss, "error"],
  [Code.Unavailable, "warn"],
  [Code.DeadlineExceeded, "warn"],
]);
