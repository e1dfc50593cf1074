import { hostname } from "node:os";
import process from "node:process";
import { type DestinationStream, destination, type Logger, pino } from "pino";
import type { Config } from "../config.ts";
import { toErrorFields } from "./error-fields.ts";
import { version } from "./version.ts";

/** Who writes lines of the log, and who makes spans. */
export type Identity = {
  readonly service: string;
  readonly version: string;
  /** Distinguishes the replicas of a service, and the processes of one. */
  readonly instance: string;
};

/** Tells a process from all others of the service. */
export function identify({ serviceName, attributes }: Config["telemetry"]): Identity {
  const instance = attributes["service.instance.id"] ?? `${hostname()}-${process.pid}`;
  return { service: serviceName, version: attributes["service.version"] ?? version, instance };
}

/**
 * Creates the log: JSON lines, by default to standard error, since standard output is for people. Each has
 * who wrote it, and the fields of `base`. What is in `redact` is there by mistake only.
 */
export function createLogger(
  { logLevel }: Config["telemetry"],
  identity: Identity,
  lines: DestinationStream = destination({ fd: 2, sync: true }),
  base: Readonly<Record<string, unknown>> = {},
): Logger {
  return pino(
    {
      level: logLevel,
      base: { ...identity, ...base },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: toErrorFields },
      redact: ["password", "authorization", "*.password", "*.authorization"],
    },
    lines,
  );
}

/** Switches a log to `debug` or, from there, back to the level that is configured. */
export function switchLevel(logger: Logger, configured: Config["telemetry"]["logLevel"]): void {
  const other = configured === "debug" ? "info" : "debug";
  const level = logger.level === other ? configured : other;
  // Said at the level of the two that shows it.
  logger.level = other;
  logger.info({ log_level: level }, "the level of the log has changed");
  logger.level = level;
}
