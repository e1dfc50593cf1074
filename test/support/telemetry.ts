import type { Config } from "../../src/config.ts";
import { CallId } from "../../src/telemetry/call-id.ts";
import type { Arrived } from "../../src/telemetry/arrived.ts";
import { createTelemetry, type Telemetry } from "../../src/telemetry/telemetry.ts";

/** Telemetry that says nothing and sends nothing. */
export const silent: Config["telemetry"] = {
  logLevel: "silent",
  accessLog: false,
  serviceName: "commerce-core",
  attributes: {},
  traces: undefined,
};

/** Traces of all calls, sent to a collector at `url`. */
export function tracesTo(url: string): NonNullable<Config["telemetry"]["traces"]> {
  return { url: `${url}/v1/traces`, timeoutMs: 2_000, sampler: "parentbased_always_on", ratio: 1 };
}

/** A call that has arrived with some headers. */
export function arrive(
  listener: Arrived["listener"] = "grpc",
  headers: Readonly<Record<string, string>> = {},
): Arrived {
  const header = (name: string): string | null => headers[name] ?? null;
  return { listener, header, callId: new CallId(header), connection: { remoteAddress: "127.0.0.1" } };
}

/** Telemetry whose log is read. */
export async function openTelemetry(
  change: Partial<Config["telemetry"]> = {},
): Promise<{ readonly lines: Record<string, unknown>[]; readonly telemetry: Telemetry }> {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string): void => void lines.push(JSON.parse(line) as Record<string, unknown>);
  return { lines, telemetry: await createTelemetry({ ...silent, ...change }, { write }) };
}
