import type { DescMethod } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import type { DestinationStream, Logger } from "pino";
import type { Config } from "../config.ts";
import { toLogFields } from "./error-info.ts";
import type { ListenerName } from "./arrived.ts";
import { createCallObservers, type Observer } from "./calls.ts";
import { createErrorCounts } from "./error-counts.ts";
import { createLogger, identify, switchLevel } from "./logger.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import type { Tracing } from "./tracing.ts";

/** Logs, metrics and traces. Disposing sends the remaining spans. */
export type Telemetry = AsyncDisposable &
  Metrics & {
    readonly logger: Logger;
    /** Switches the log to the level `debug`, and back. */
    readonly switchLevel: () => void;
    /** `quiet` methods (probes) leave no log lines and no spans. */
    readonly observe: (method: DescMethod, quiet: boolean) => Observer;
    /** Counts and logs the refusal of a request that is no call of a method. */
    readonly refused: (listener: ListenerName | "admin", error: ConnectError) => void;
    /** Undefined if no traces are made. */
    readonly tracing: Tracing | undefined;
  };

/**
 * Creates logs, metrics and, if a collector is configured, traces. None of them contains a request's content,
 * tokens or passwords. Lines of the log are written to `lines`, each with the fields of `base`; see
 * `createLogger`.
 */
export async function createTelemetry(
  config: Config["telemetry"],
  lines?: DestinationStream,
  base?: Readonly<Record<string, unknown>>,
): Promise<Telemetry> {
  const identity = identify(config);
  const logger = createLogger(config, identity, lines, base);
  const metrics = createMetrics();
  const { onRefusal, onError } = createErrorCounts(metrics);
  // Loaded on demand: the SDK costs 130 ms at start and 9 MiB.
  const tracing =
    config.traces &&
    (await import("./tracing.ts")).startTracing(config.traces, config, identity, createFailureLog(logger));
  const { accessLog } = config;
  return {
    ...metrics,
    logger,
    tracing,
    switchLevel: () => switchLevel(logger, config.logLevel),
    observe: createCallObservers({ metrics, logger, accessLog, tracing, onError }),
    refused(listener, error) {
      onRefusal(listener, error);
      logger.debug({ listener, ...toLogFields(error) }, "refused");
    },
    async [Symbol.asyncDispose]() {
      await tracing?.[Symbol.asyncDispose]();
    },
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
