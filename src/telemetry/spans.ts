import {
  type Context,
  context,
  type Link,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Tracer,
} from "@opentelemetry/api";
import {
  ATTR_DB_OPERATION_NAME,
  ATTR_DB_SYSTEM_NAME,
  ATTR_ERROR_TYPE,
} from "@opentelemetry/semantic-conventions";
import type { Engine } from "../config.ts";
import type { Wait } from "../db/engine/waiters.ts";
import { toAddress } from "./addresses.ts";
import type { Arrived } from "./arrived.ts";

/** The span of a call. */
export type CallSpan = {
  readonly run: <T>(work: () => T) => T;
  /** Ends it with the answer's code and, of an error, its reason. */
  readonly end: (code: string, reason: string) => void;
  readonly ids: () => { readonly trace_id: string; readonly span_id: string };
};

/** Makes spans. */
export type Spans = {
  /** Begins the span of a call, below its caller's `traceparent`. */
  readonly begin: (method: string, system: string, arrived: Arrived) => CallSpan;
  /** What a request of a batch is known by: the span of its call. */
  readonly caller: () => Context;
  /** Runs a batch in a span that is linked with those of its calls, each of which has one of its wait. */
  readonly runBatch: <T>(kind: string, waits: readonly Wait[], work: () => Promise<T>) => Promise<T>;
  /** Makes the span of a statement that has ended, without its parameters. */
  readonly statement: (engine: Engine, name: string, beginMs: number, code?: string) => void;
};

export function createSpans(tracer: Tracer): Spans {
  return {
    begin: (method, system, arrived) => beginCall(tracer, method, system, arrived),
    caller: () => context.active(),
    runBatch: (kind, waits, work) => runBatch(tracer, kind, waits, work),
    statement(engine, name, beginMs, code) {
      const attributes = { [ATTR_DB_SYSTEM_NAME]: engine, [ATTR_DB_OPERATION_NAME]: name };
      const options = { kind: SpanKind.CLIENT, attributes, startTime: toEpochMs(beginMs) };
      const span = tracer.startSpan(name, options, context.active());
      if (code !== undefined) {
        span.setAttributes({ [ATTR_ERROR_TYPE]: code, "db.response.status_code": code });
        span.setStatus({ code: SpanStatusCode.ERROR });
      }
      span.end();
    },
  };
}

type Header = (name: string) => string | null;

const headerGetter = {
  get: (header: Header, name: string) => header(name) ?? undefined,
  keys: () => ["traceparent", "tracestate"],
};

/** The codes that say that the server has failed; all others are answers that a caller may expect. */
const serverErrors: ReadonlySet<string> = new Set([
  "UNKNOWN",
  "DEADLINE_EXCEEDED",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
]);

function beginCall(
  tracer: Tracer,
  method: string,
  system: string,
  { header, connection }: Arrived,
): CallSpan {
  const parent = propagation.extract(ROOT_CONTEXT, header, headerGetter);
  const attributes = {
    "rpc.system.name": system,
    "rpc.method": method,
    "network.peer.address": toAddress(connection) ?? "",
  };
  const span = tracer.startSpan(method, { kind: SpanKind.SERVER, attributes }, parent);
  const own = trace.setSpan(parent, span);
  return {
    run: (work) => context.with(own, work),
    end(code, reason) {
      span.setAttribute("rpc.response.status_code", code);
      if (code !== "OK") span.setAttribute(ATTR_ERROR_TYPE, reason);
      if (serverErrors.has(code)) span.setStatus({ code: SpanStatusCode.ERROR, message: reason });
      span.end();
    },
    ids() {
      const { traceId, spanId } = span.spanContext();
      return { trace_id: traceId, span_id: spanId };
    },
  };
}

async function runBatch<T>(
  tracer: Tracer,
  kind: string,
  waits: readonly Wait[],
  work: () => Promise<T>,
): Promise<T> {
  const callers = waits.map(({ caller }) => caller as Context);
  const links = callers.flatMap(toLinks);
  const sampled = callers.find((caller) => toLinks(caller).length > 0);
  if (sampled === undefined) return work();
  const attributes = { "commerce.batch.calls": waits.length };
  const batch = tracer.startSpan(`batch ${kind}`, { attributes, links }, sampled);
  for (const [n, { sinceMs }] of waits.entries()) {
    const options = { startTime: toEpochMs(sinceMs), links: [{ context: batch.spanContext() }] };
    tracer.startSpan(`wait for batch ${kind}`, options, callers[n]).end();
  }
  try {
    return await context.with(trace.setSpan(sampled, batch), work);
  } finally {
    batch.end();
  }
}

/** The link to the span of a call; none if it is not sampled. */
function toLinks(caller: Context): Link[] {
  const span = trace.getSpan(caller);
  return span?.isRecording() ? [{ context: span.spanContext() }] : [];
}

/** The time of day of a reading of performance.now(), in milliseconds since the epoch. */
function toEpochMs(ms: number): number {
  return performance.timeOrigin + ms;
}
