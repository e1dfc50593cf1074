import { createClient } from "@connectrpc/connect";
import { trace } from "@opentelemetry/api";
import { expect, test } from "vitest";
import { Health } from "../src/gen/grpc/health/v1/health_pb.ts";
import { toErrorFields } from "../src/telemetry/error-fields.ts";
import { startCollector } from "./support/collector.ts";
import { startListeners, transport, userClient } from "./support/listeners.ts";
import { openTelemetry, tracesTo } from "./support/telemetry.ts";

const ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7";

test("sends a span for each call, below the caller's, with what the handler makes below it", async () => {
  const traceId = "0af7651916cd43dd8448eb211c80319c";
  await using collector = await startCollector();
  const tracer = trace.getTracer("test");
  const getUser = ({ id }: { readonly id: string }) => (tracer.startSpan("select").end(), { user: { id } });
  const listeners = await startListeners({ getUser }, { telemetry: { traces: tracesTo(collector.url) } });

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
  const { telemetry } = await openTelemetry();
  const about = { name: "db_retries_total", help: "Statements repeated.", labels: ["cause"] as const };
  const countRetry = telemetry.counter(about);
  telemetry.value("db_pool_conns", "Connections.", () => 7);

  countRetry({ cause: "serialization" });
  countRetry({ cause: "serialization" }, 2);

  const { body } = await telemetry.scrape();
  const samples = body.split("\n").filter((line) => line.startsWith("db_"));
  expect(samples).toEqual(['db_retries_total{cause="serialization"} 3', "db_pool_conns 7"]);
});

test("what a gauge does not name any more is not told any more", async () => {
  const { telemetry } = await openTelemetry();
  const nodes = new Map([["1", 2]]);
  const about = { name: "db_nodes", help: "Connections.", labels: ["node"] as const };
  telemetry.gauge(about, () => Array.from(nodes, ([node, connections]) => [{ node }, connections]));

  const first = await telemetry.scrape();
  nodes.clear();
  const second = await telemetry.scrape();

  expect([first, second].map(({ body }) => body.includes('db_nodes{node="1"} 2'))).toEqual([true, false]);
});

test("says of a value that the database cannot take not which it is", () => {
  const message = 'invalid input syntax for type uuid: "ann@example.com"';
  const fields = toErrorFields(Object.assign(new Error(message), { code: "22P02" }));

  expect(fields).toMatchObject({ code: "22P02", message: "a value that the database cannot take" });
  expect(JSON.stringify(fields)).not.toContain("ann@example.com");
});
