import { expect, inject, test } from "vitest";
import { attributesOf, type Span, startCollector } from "../support/collector.ts";
import { openShop, type Shop } from "../support/shop.ts";
import { silent, tracesTo } from "../support/telemetry.ts";
import { version } from "../../src/telemetry/version.ts";

const { engine } = inject("engine");
const method = "commerce.user.v1.UserService/GetUser";

/** The spans of a shop's calls; `telemetry` configures it. */
async function spansOf(
  work: (shop: Shop) => Promise<unknown>,
  traces: Partial<ReturnType<typeof tracesTo>> = {},
): Promise<{ spans: Span[]; resources: object[] }> {
  await using collector = await startCollector();
  const attributes = { "deployment.environment.name": "test" };
  const telemetry = { ...silent, attributes, traces: { ...tracesTo(collector.url), ...traces } };
  {
    await using shop = await openShop({ telemetry });
    await work(shop);
  }
  return { spans: await collector.spans(), resources: await collector.resources() };
}

test("a trace shows a call, its wait for a batch, the batch with all of its calls, and the statement", async () => {
  const { spans, resources } = await spansOf(async (shop) => {
    const { id } = await shop.user();
    await Promise.all([shop.users.getUser({ id }), shop.users.getUser({ id })]);
  });

  const calls = spans.filter(({ name }) => name === method);
  const waits = spans.filter(({ name }) => name === "wait for batch get_user");
  const batches = spans.filter(({ name }) => name === "batch get_user");
  const ids = (all: readonly { spanId?: string; parentSpanId?: string }[], key: "spanId" | "parentSpanId") =>
    all.map((each) => each[key] ?? "").toSorted((one, other) => one.localeCompare(other));
  expect([calls.length, waits.length]).toEqual([2, 2]);
  expect(ids(waits, "parentSpanId")).toEqual(ids(calls, "spanId"));
  const linked = batches.flatMap(({ links = [] }) => links);
  expect(ids(linked, "spanId")).toEqual(ids(calls, "spanId"));
  const batchIds = new Set(batches.map(({ spanId }) => spanId));
  expect(waits.every(({ links = [] }) => links.every(({ spanId }) => batchIds.has(spanId)))).toBe(true);
  const statements = spans.filter(({ parentSpanId }) => batchIds.has(parentSpanId ?? ""));
  expect(statements.length).toBe(batches.length);
  expect(statements[0]).toMatchObject({ name: "users.get", kind: 3 });
  expect(attributesOf(statements[0]!)).toEqual({
    "db.system.name": engine,
    "db.operation.name": "users.get",
  });
  expect(attributesOf(calls[0]!)).toEqual({
    "rpc.system.name": "grpc",
    "rpc.method": method,
    "rpc.response.status_code": "OK",
    "network.peer.address": "127.0.0.1",
  });
  expect(resources[0]).toMatchObject({
    "service.name": "commerce-core",
    "service.version": version,
    "service.instance.id": expect.stringMatching(/./),
    "deployment.environment.name": "test",
  });
  for (const { startTimeUnixNano, endTimeUnixNano } of spans)
    expect(BigInt(endTimeUnixNano) - BigInt(startTimeUnixNano)).toBeLessThan(60_000_000_000n);
});

test("what a caller may expect is no error of the server in a trace, but says what it is", async () => {
  const { spans } = await spansOf((shop) =>
    Promise.allSettled([shop.users.getUser({ id: "7c9e6679-7425-40de-944b-e07fc1f90ae7" })]),
  );

  const call = spans.find(({ name }) => name === method)!;
  expect(call.status.code).not.toBe(2);
  expect(attributesOf(call)).toMatchObject({
    "rpc.response.status_code": "NOT_FOUND",
    "error.type": "USER_NOT_FOUND",
  });
});

test("a sampler that traces nothing leaves no span, but for callers whose trace is sampled", async () => {
  const headers = { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" };
  const { spans } = await spansOf(
    async (shop) => {
      const { id } = await shop.user();
      await shop.users.getUser({ id });
      await shop.users.getUser({ id }, { headers });
    },
    { sampler: "parentbased_always_off" },
  );

  expect(spans.filter(({ kind }) => kind === 2)).toHaveLength(1);
  expect(new Set(spans.map(({ traceId }) => traceId))).toEqual(new Set(["0af7651916cd43dd8448eb211c80319c"]));
});
