import { expect, test } from "vitest";
import { parseConfig } from "../src/config.ts";
import { findProblems } from "./support/problems.ts";

test("the variables of OpenTelemetry mean what they mean elsewhere", () => {
  const { telemetry, unread } = parseConfig({
    OTEL_SERVICE_NAME: "shop",
    OTEL_RESOURCE_ATTRIBUTES:
      "service.namespace=a%20b, deployment.environment.name=production,service.name=other",
    OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318/base/",
    OTEL_EXPORTER_OTLP_HEADERS: "authorization=secret",
    OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
    OTEL_TRACES_SAMPLER_ARG: "0.25",
    OTEL_METRICS_EXPORTER: "otlp",
  });

  expect(telemetry).toMatchObject({
    serviceName: "shop",
    attributes: {
      "service.namespace": "a b",
      "deployment.environment.name": "production",
      "service.name": "other",
    },
    traces: {
      url: "http://collector:4318/base/v1/traces",
      timeoutMs: 2_000,
      sampler: "parentbased_traceidratio",
      ratio: 0.25,
    },
  });
  expect(unread).toEqual(["OTEL_METRICS_EXPORTER"]);
});

test("the endpoint for traces is taken as it is, before the one for all signals", () => {
  const { traces } = parseConfig({
    OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318",
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://traces:4318/in",
  }).telemetry;

  expect(traces).toMatchObject({ url: "http://traces:4318/in" });
});

test("no traces are made where the SDK is switched off", () => {
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318", OTEL_SDK_DISABLED: "true" };

  expect(parseConfig(env).telemetry.traces).toBeUndefined();
});

test.each([
  [{ OTEL_RESOURCE_ATTRIBUTES: "a" }, /^OTEL_RESOURCE_ATTRIBUTES: must be name=value pairs/],
  [{ OTEL_RESOURCE_ATTRIBUTES: "a=%zz" }, /^OTEL_RESOURCE_ATTRIBUTES: must be name=value pairs/],
  [{ OTEL_TRACES_SAMPLER: "jaeger_remote" }, /^OTEL_TRACES_SAMPLER: must be parentbased_always_on, /],
  [
    { OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "2" },
    /^OTEL_TRACES_SAMPLER_ARG: must be/,
  ],
  [{ OTEL_TRACES_SAMPLER_ARG: "0.5" }, /^OTEL_TRACES_SAMPLER_ARG: means nothing to OTEL_TRACES_SAMPLER=/],
])("%j is refused", (env, problem) => {
  expect(findProblems(env)).toEqual([expect.stringMatching(problem)]);
});
