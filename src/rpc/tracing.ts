import type { DescMethod } from "@bufbuild/protobuf";
import { context, propagation, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { ATTR_SERVICE_NAME } from "@opentelemetry/semantic-conventions";

/** One call's span. */
type Span = { readonly run: <T>(work: () => T) => T; readonly end: (code: string | undefined) => void };

/** Spans on their way to a collector. Disposing sends what is still here. */
export type Tracing = AsyncDisposable & {
  readonly begin: (method: DescMethod, header: (name: string) => string | null) => Span;
};

type Header = (name: string) => string | null;

const headerGetter = {
  get: (header: Header, name: string) => header(name) ?? undefined,
  keys: () => ["traceparent", "tracestate"],
};

/**
 * Sends a span for each call to the OTLP/HTTP collector at `endpoint` (its base, as in
 * OTEL_EXPORTER_OTLP_ENDPOINT), as a child of the caller's `traceparent`. Registers itself as
 * OpenTelemetry's global, so that any library that makes spans joins in: one at a time in a process.
 */
export function startTracing(endpoint: string): Tracing {
  const url = `${endpoint.replace(/\/+$/, "")}/v1/traces`;
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ [ATTR_SERVICE_NAME]: "commerce-core" }),
    spanProcessors: [new BatchSpanProcessor({ exporter: new OTLPTraceExporter({ url }) })],
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
      await provider.shutdown();
      trace.disable();
      propagation.disable();
      context.disable();
    },
  };
}
