import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { trace } from "@opentelemetry/api";
import { expect, test } from "vitest";
import { toErrorFields } from "../src/rpc/error-fields.ts";
import { createTelemetry } from "../src/rpc/telemetry.ts";
import { startListeners, transport, userClient } from "./support/listeners.ts";
import { createClient } from "@connectrpc/connect";
import { Health } from "../src/gen/grpc/health/v1/health_pb.ts";

const ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7";

test("sends a span for each call, below the caller's, with what the handler makes below it", async () => {
  const traceId = "0af7651916cd43dd8448eb211c80319c";
  await using collector = await startCollector();
  const tracer = trace.getTracer("test");
  const getUser = ({ id }: { readonly id: string }) => (tracer.startSpan("select").end(), { user: { id } });
  const listeners = await startListeners({ getUser }, { tracesEndpoint: collector.url });

  const headers = { traceparent: `00-${traceId}-b7ad6b7169203331-01` };
  await userClient(listeners, "gRPC listener").getUser({ id: ID }, { headers });
  await createClient(Health, transport(listeners, "gRPC listener")).check({});
  await listeners[Symbol.asyncDispose]();

  const spans = await collector.spans();
  const call = spans.find(({ name }) => name === "commerce.user.v1.UserService/GetUser");
  expect(spans).toHaveLength(2);
  expect(call).toMatchObject({ traceId, parentSpanId: "b7ad6b7169203331" });
  expect(spans.find(({ name }) => name === "select")).toMatchObject({ traceId, parentSpanId: call?.spanId });
});

test("counters and gauges are functions that know of no library", async () => {
  await using telemetry = await createTelemetry({ logLevel: "silent", tracesEndpoint: undefined });
  const countRetry = telemetry.counter("db_retries_total", "Statements repeated.", "cause");
  telemetry.gauge("db_pool_conns", "Connections.", () => 7);

  countRetry("serialization");
  countRetry("serialization", 2);

  const { body } = await telemetry.scrape();
  const samples = body.split("\n").filter((line) => line.startsWith("db_"));
  expect(samples).toEqual(['db_retries_total{cause="serialization"} 3', "db_pool_conns 7"]);
});

test("what a gauge does not name any more is not told any more", async () => {
  await using telemetry = await createTelemetry({ logLevel: "silent", tracesEndpoint: undefined });
  const nodes = new Map([["1", 2]]);
  telemetry.gauge("db_nodes", "Connections.", () => Object.fromEntries(nodes), "node");

  const first = await telemetry.scrape();
  nodes.clear();
  const second = await telemetry.scrape();

  expect([first, second].map(({ body }) => body.includes('db_nodes{node="1"} 2'))).toEqual([true, false]);
});

type Span = { name: string; traceId: string; spanId: string; parentSpanId?: string };
type Batch = { resourceSpans: { scopeSpans: { spans: Span[] }[] }[] };

/** An OTLP/HTTP collector that keeps what it is sent. */
async function startCollector() {
  const batches: Promise<unknown>[] = [];
  const server = createServer((request: IncomingMessage, response) => {
    if (request.url === "/v1/traces") batches.push(json(request));
    response.setHeader("content-type", "application/json").end("{}");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async spans(): Promise<Span[]> {
      const received = (await Promise.all(batches)) as Batch[];
      return received.flatMap(({ resourceSpans }) =>
        resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans)),
      );
    },
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}

test("says of a value that the database cannot take not which it is", () => {
  const message = 'invalid input syntax for type uuid: "ann@example.com"';
  const fields = toErrorFields(Object.assign(new Error(message), { code: "22P02" }));

  expect(fields).toMatchObject({ code: "22P02", message: "a value that the database cannot take" });
  expect(JSON.stringify(fields)).not.toContain("ann@example.com");
});
