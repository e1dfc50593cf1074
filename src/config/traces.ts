import type { Report } from "./connection.ts";
import type { Values } from "./environment.ts";
import type { IsGiven } from "./security.ts";
import type { Config } from "./types.ts";

/** What is logged and traced, and under which names. */
export function toTelemetry(values: Values, isGiven: IsGiven, report: Report): Config["telemetry"] {
  const { OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: ratio } = values;
  if (isGiven("OTEL_TRACES_SAMPLER_ARG") && !sampler.endsWith("traceidratio"))
    report(["OTEL_TRACES_SAMPLER_ARG"], `means nothing to OTEL_TRACES_SAMPLER=${sampler}`);
  const url = toTracesUrl(values);
  return {
    logLevel: values.LOG_LEVEL,
    accessLog: values.ACCESS_LOG === "true",
    serviceName:
      values.OTEL_SERVICE_NAME ?? values.OTEL_RESOURCE_ATTRIBUTES?.["service.name"] ?? "commerce-core",
    attributes: values.OTEL_RESOURCE_ATTRIBUTES ?? {},
    traces:
      url === undefined || values.OTEL_SDK_DISABLED === "true"
        ? undefined
        : { url, timeoutMs: values.OTEL_EXPORTER_OTLP_TIMEOUT, sampler, ratio: ratio ?? 1 },
  };
}

function toTracesUrl({
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: whole,
  OTEL_EXPORTER_OTLP_ENDPOINT: base,
}: Values): string | undefined {
  return whole?.href ?? (base && `${base.href.replace(/\/+$/, "")}/v1/traces`);
}
