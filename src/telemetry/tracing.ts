import { setTimeout as sleep } from "node:timers/promises";
import { context, propagation, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { resourceFromAttributes } from "@opentelemetry/resources";
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import { ATTR_SERVICE_NAME, ATTR_SERVICE_VERSION } from "@opentelemetry/semantic-conventions";
import type { Config } from "../config.ts";
import type { Traces } from "../config/types.ts";
import { createExporter, exportMsMax } from "./exporter.ts";
import type { Identity } from "./logger.ts";
import { createSpans, type Spans } from "./spans.ts";

/** Makes spans and sends them to a collector. Disposing sends the remaining ones. */
export type Tracing = AsyncDisposable & Spans;

/**
 * Starts tracing. Reports lost spans to `onFailure`, and never fails. Registers itself as OpenTelemetry's
 * global tracer, so that any library's spans join in: one at a time per process.
 */
export function startTracing(
  traces: Traces,
  { attributes }: Pick<Config["telemetry"], "attributes">,
  { service, version, instance }: Identity,
  onFailure: (reason: string) => void,
): Tracing {
  const exporter = createExporter(traces, onFailure);
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      [ATTR_SERVICE_VERSION]: version,
      "service.instance.id": instance,
      ...attributes,
      [ATTR_SERVICE_NAME]: service,
    }),
    sampler: toSampler(traces),
    spanProcessors: [new BatchSpanProcessor({ exporter })],
  });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  trace.setGlobalTracerProvider(provider);
  return {
    ...createSpans(provider.getTracer("commerce-core", version)),
    async [Symbol.asyncDispose]() {
      const flushed = provider.shutdown().catch((error: Error) => onFailure(error.message));
      const late = sleep(exportMsMax, "late", { ref: false });
      if ((await Promise.race([flushed, late])) === "late") onFailure("no answer before the end");
      exporter.destroy();
      trace.disable();
      propagation.disable();
      context.disable();
    },
  };
}

/** OpenTelemetry's samplers by their names; the SDK leaves the variables to its callers. */
function toSampler({ sampler, ratio }: Traces): Sampler {
  const roots = {
    always_on: () => new AlwaysOnSampler(),
    always_off: () => new AlwaysOffSampler(),
    traceidratio: () => new TraceIdRatioBasedSampler(ratio),
  };
  const [, parentBased, root] = /^(parentbased_)?(.*)$/.exec(sampler)!;
  const made = roots[root as keyof typeof roots]();
  return parentBased === undefined ? made : new ParentBasedSampler({ root: made });
}
