import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import type { DescMethod } from "@bufbuild/protobuf";
import { context, propagation, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { ExportResultCode, W3CTraceContextPropagator } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, type SpanExporter, TracerProvider } from "@opentelemetry/sdk-trace";
import { ATTR_SERVICE_NAME } from "@opentelemetry/semantic-conventions";

/** The span of a call. */
type Span = { readonly run: <T>(work: () => T) => T; readonly end: (code: string | undefined) => void };

/** Exports spans to a collector. Disposing sends the remaining ones. */
export type Tracing = AsyncDisposable & {
  readonly begin: (method: DescMethod, header: (name: string) => string | null) => Span;
};

type Header = (name: string) => string | null;

const headerGetter = {
  get: (header: Header, name: string) => header(name) ?? undefined,
  keys: () => ["traceparent", "tracestate"],
};

/**
 * The time in milliseconds for an export with its retries, and so what an unavailable or slow collector can
 * add to a stop. A healthy one answers in milliseconds; otherwise the spans are lost.
 */
const exportMsMax = 2_000;

/**
 * Sends a span for each call to the OTLP/HTTP collector at `endpoint` (its base, as in
 * OTEL_EXPORTER_OTLP_ENDPOINT), as a child of the caller's `traceparent`. Reports lost spans to `onFailure`,
 * and never fails. Registers itself as OpenTelemetry's global tracer, so that any library's spans join in:
 * one at a time per process.
 */
export function startTracing(endpoint: string, onFailure: (reason: string) => void): Tracing {
  const url = `${endpoint.replace(/\/+$/, "")}/v1/traces`;
  const agent = url.startsWith("https:")
    ? new HttpsAgent({ keepAlive: true })
    : new HttpAgent({ keepAlive: true });
  const options = { url, timeoutMillis: exportMsMax, httpAgentOptions: () => agent };
  const exporter = createForgivingExporter(new OTLPTraceExporter(options), onFailure);
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ [ATTR_SERVICE_NAME]: "commerce-core" }),
    spanProcessors: [new BatchSpanProcessor({ exporter })],
  });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  trace.setGlobalTracerProvider(provider);
  const tracer = provider.getTracer("commerce-core");

  return {
    begin(method, header) {
      const service = method.parent.typeName;
      const parent = propagation.extract(ROOT_CONTEXT, header, headerGetter);
      const attributes = { "rpc.system": "grpc", "rpc.service": service, "rpc.method": method.name };
      const span = tracer.startSpan(
        `${service}/${method.name}`,
        { kind: SpanKind.SERVER, attributes },
        parent,
      );
      const own = trace.setSpan(parent, span);
      return {
        run: (work) => context.with(own, work),
        end(code) {
          if (code) span.setStatus({ code: SpanStatusCode.ERROR, message: code });
          span.end();
        },
      };
    },
    async [Symbol.asyncDispose]() {
      const flushed = provider.shutdown().catch((error: Error) => onFailure(error.message));
      const late = sleep(exportMsMax, "late", { ref: false });
      if ((await Promise.race([flushed, late])) === "late") onFailure("no answer before the end");
      // A pending request would keep the process alive.
      agent.destroy();
      trace.disable();
      propagation.disable();
      context.disable();
    },
  };
}

/** Wraps an exporter: its failures are reported, and look like successes to the caller. */
function createForgivingExporter(exporter: SpanExporter, onFailure: (reason: string) => void): SpanExporter {
  return {
    export: (spans, done) =>
      exporter.export(spans, ({ code, error }) => {
        if (code !== ExportResultCode.SUCCESS) onFailure(error ? describe(error) : "no reason given");
        done({ code: ExportResultCode.SUCCESS });
      }),
    shutdown: () => exporter.shutdown(),
  };
}

function describe({ message, code }: Error & { code?: string | number }): string {
  return code === undefined ? message : `${message} (${code})`;
}
