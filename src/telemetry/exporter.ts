import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { ExportResultCode } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import type { SpanExporter } from "@opentelemetry/sdk-trace";
import type { Traces } from "../config/types.ts";

/**
 * The time in milliseconds for an export with its retries, and so what an unavailable or slow collector can
 * add to a stop. A healthy one answers in milliseconds; otherwise the spans are lost.
 */
export const exportMsMax = 2_000;

/**
 * Sends spans to an OTLP/HTTP collector, with the headers and the compression of OpenTelemetry's
 * variables, which the library reads. Lost spans are reported to `onFailure`, and look like successes to the
 * caller.
 * `destroy` ends the requests that are under way, which would keep the process alive.
 */
export function createExporter(
  { url, timeoutMs }: Traces,
  onFailure: (reason: string) => void,
): SpanExporter & { readonly destroy: () => void } {
  const agent = url.startsWith("https:")
    ? new HttpsAgent({ keepAlive: true })
    : new HttpAgent({ keepAlive: true });
  const exporter: SpanExporter = new OTLPTraceExporter({
    url,
    timeoutMillis: Math.min(exportMsMax, timeoutMs),
    httpAgentOptions: () => agent,
  });
  return {
    export: (spans, done) =>
      exporter.export(spans, ({ code, error }) => {
        if (code !== ExportResultCode.SUCCESS) onFailure(error ? describe(error) : "no reason given");
        done({ code: ExportResultCode.SUCCESS });
      }),
    shutdown: () => exporter.shutdown(),
    destroy: () => agent.destroy(),
  };
}

function describe({ message, code }: Error & { code?: string | number }): string {
  return code === undefined ? message : `${message} (${code})`;
}
