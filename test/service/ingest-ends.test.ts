import { randomUUID } from "node:crypto";
import { once as event } from "node:events";
import { Code, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import type { ServiceError } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { OrderService, type IngestOrdersResponse } from "../../src/gen/commerce/order/v1/order_service_pb.ts";
import { toFailure } from "../support/errors.ts";
import {
  countOrders,
  drafts,
  expectGapless,
  grpcJsImports,
  readAll,
  readViolations,
  summarize,
  type Draft,
} from "../support/imports.ts";
import { holdProduct } from "../support/locks.ts";
import { countActive, countConnections, readMetric } from "../support/metrics.ts";
import { once, startProxy } from "../support/proxy.ts";
import { line, openShop, type Shop } from "../support/shop.ts";

const chunksOf = (read: readonly IngestOrdersResponse[]) =>
  read.flatMap(({ answer }) => (answer.case === "chunk" ? [answer.value] : []));

/** The messages of a stream: some orders each. */
async function* send(
  orders: readonly Draft[],
  size: number,
  first: { requestId?: string; firstIndex?: bigint; stopOnError?: boolean } = {},
) {
  for (let n = 0; n < orders.length; n += size)
    yield { orders: orders.slice(n, n + size), ...(n === 0 && first) };
}

async function givenStock(shop: Shop) {
  const [ada, lamp] = [await shop.user(), await shop.product(1_000_000n)];
  return { ada, lamp, requestId: randomUUID() };
}

test.each([1, 3])("IngestOrders cut by the network in chunk %i is resumed without loss", async (chunk) => {
  await using shop = await openShop({}, { through: startProxy });
  const { ada, lamp, requestId } = await givenStock(shop);
  const orders = drafts(ada.id, lamp, 4_000);
  const leaving = new AbortController();
  let chunks = 0;
  shop.proxy.decide = ({ statement }) => {
    if (statement === "orders.create" && ++chunks === chunk) leaving.abort();
    return undefined;
  };
  const { signal } = leaving;
  const left = await readAll(shop.orders.ingestOrders(send(orders, 500, { requestId }), { signal }));
  const firstIndex = (chunksOf(left.read).at(-1)?.lastIndex ?? -1n) + 1n;

  const rest = send(orders.slice(Number(firstIndex)), 500, { requestId, firstIndex });
  const { read } = await readAll(shop.orders.ingestOrders(rest));

  expect(toFailure(left.error).code).toBe("Canceled");
  expect(expectGapless(chunksOf([...left.read, ...read]), 0n, 3_999n)).toBe(true);
  expect([await countOrders(shop), await readViolations(shop)]).toEqual([4_000, []]);
});

test("IngestOrders whose database is lost while it commits is UNAVAILABLE and can be resumed", async () => {
  await using shop = await openShop({}, { through: startProxy });
  const { ada, lamp, requestId } = await givenStock(shop);
  const orders = drafts(ada.id, lamp, 20);
  shop.proxy.decide = (exchange) => {
    const fault = once("orders.create", { kind: "cut_after" })(exchange);
    if (fault) shop.proxy.refuse("refuse");
    return fault;
  };
  const lost = await readAll(shop.orders.ingestOrders(send(orders, 20, { requestId }), { timeoutMs: 1_000 }));
  shop.proxy.refuse(undefined);
  shop.proxy.decide = () => undefined;

  const { read } = await readAll(shop.orders.ingestOrders(send(orders, 20, { requestId })));

  expect(["Unavailable", "DeadlineExceeded"]).toContain(toFailure(lost.error).code);
  const { inserted, existing } = summarize(chunksOf(read));
  expect([inserted + existing, await countOrders(shop), await readViolations(shop)]).toEqual([20, 20, []]);
});

test("IngestOrders keeps its deadline while the database works, and stops that work", async () => {
  await using shop = await openShop();
  const { ada, lamp } = await givenStock(shop);
  await using _ = await holdProduct(shop, lamp);

  const { error } = await readAll(
    shop.orders.ingestOrders(send(drafts(ada.id, lamp, 5), 5), { timeoutMs: 300 }),
  );

  expect(toFailure(error).code).toBe("DeadlineExceeded");
  await expect.poll(() => countActive(shop)).toBe(0);
  await expect.poll(() => countConnections(shop, "used")).toBe(0);
});

test("IngestOrders that is cancelled stops the database's work at once", async () => {
  await using shop = await openShop();
  using grpcJs = grpcJsImports(shop);
  const { ada, lamp } = await givenStock(shop);
  await using _ = await holdProduct(shop, lamp);
  const call = grpcJs.ingestOrders();
  call.on("error", () => {});
  call.write({ orders: drafts(ada.id, lamp, 5) });
  await expect.poll(() => countConnections(shop, "used")).toBe(1);

  call.cancel();

  await expect.poll(() => countConnections(shop, "used")).toBe(0);
  expect(await countOrders(shop)).toBe(0);
});

test("stop() ends an idle IngestOrders with UNAVAILABLE and the last index that was answered", async () => {
  await using shop = await openShop();
  using grpcJs = grpcJsImports(shop);
  const { ada, lamp } = await givenStock(shop);
  const call = grpcJs.ingestOrders();
  call.write({ orders: drafts(ada.id, lamp, 7) });
  await event(call, "data");

  const [error] = await Promise.all([
    event(call, "error") as Promise<[{ code: number; details: string }]>,
    shop.server.stop(),
  ]).then(([[first]]) => [first]);

  expect([error!.code, error!.details]).toEqual([Code.Unavailable, expect.stringContaining("index 6")]);
});

test.each(["grpcUrl", "httpUrl"] as const)(
  "IngestOrders with stop_on_error ends with ABORTED although its caller neither sends nor closes (%s)",
  async (port) => {
    await using shop = await openShop();
    const { ada, lamp } = await givenStock(shop);
    const orders = createClient(OrderService, createGrpcTransport({ baseUrl: shop[port] }));
    const wrong = [...drafts(ada.id, lamp, 1), { userId: ada.id, items: [] }];
    const released = Promise.withResolvers<void>();
    async function* requests() {
      yield { orders: wrong, stopOnError: true };
      await released.promise;
    }

    const ends = [];
    for (let round = 0; round < 20; round++) {
      const { read, error } = await readAll(orders.ingestOrders(requests()));
      ends.push([chunksOf(read).length, toFailure(error).reason]);
    }
    released.resolve();

    expect(ends).toEqual(Array.from({ length: 20 }, () => [1, "STOPPED_ON_ERROR"]));
    const labels = {
      rpc_method: `${OrderService.typeName}/IngestOrders`,
      rpc_response_status_code: "ABORTED",
    };
    expect(await readMetric(shop, "rpc_server_call_duration_seconds_count", labels)).toBe(20);
  },
);

test.each(["grpcUrl", "httpUrl"] as const)(
  "stop() ends an IngestOrders that has sent nothing yet, and waits for nothing (%s)",
  async (port) => {
    await using shop = await openShop({ shutdown: { graceMs: 600_000 } });
    const orders = createClient(OrderService, createGrpcTransport({ baseUrl: shop[port] }));
    const released = Promise.withResolvers<void>();
    async function* silence() {
      await released.promise;
      yield {};
    }
    const ended = readAll(orders.ingestOrders(silence()));
    await expect.poll(() => countActive(shop)).toBe(1);

    const finished = await shop.server.stop();
    released.resolve();

    expect(finished).toBe(true);
    expect(toFailure((await ended).error)).toMatchObject({ code: "Unavailable", reason: "SHUTTING_DOWN" });
  },
);

test("IngestOrders outlasts the deadline of other calls, and a silent one ends with STREAM_IDLE", async () => {
  const limits = { deadlineMsDefault: 100, deadlineMsMax: 150, streams: { idleMsMax: 1_000 } };
  await using shop = await openShop({ calls: limits });
  using grpcJs = grpcJsImports(shop);
  const call = grpcJs.ingestOrders();

  call.write({});
  const [error] = (await event(call.resume(), "error")) as [ServiceError];

  expect([error.code, error.details]).toEqual([
    Code.DeadlineExceeded,
    expect.stringContaining("idle for 1 s"),
  ]);
});

test("IngestOrders does not idle while the database works", async () => {
  await using shop = await openShop({ calls: { streams: { idleMsMax: 1_000 } } });
  using grpcJs = grpcJsImports(shop);
  const { ada, lamp } = await givenStock(shop);
  const held = await holdProduct(shop, lamp);
  const working = grpcJs.ingestOrders();
  working.write({ orders: drafts(ada.id, lamp, 1) });
  const answered = event(working, "data") as Promise<[IngestOrdersResponse]>;
  await expect.poll(() => countConnections(shop, "used")).toBe(1);

  // Twice as long as a stream may idle.
  for (let round = 0; round < 2; round++) await event(grpcJs.ingestOrders().resume(), "error");
  await held[Symbol.asyncDispose]();
  const [response] = await answered;
  working.end();
  await event(working, "status");

  expect(chunksOf([response])[0]!.insertedCount).toBe(1);
});

test("IngestOrders reads two chunks ahead of a database that waits, and holds the sender back", async () => {
  await using shop = await openShop();
  using grpcJs = grpcJsImports(shop);
  const { ada, lamp } = await givenStock(shop);
  const held = await holdProduct(shop, lamp);
  const call = grpcJs.ingestOrders();
  const answers = readAll<IngestOrdersResponse>(call);
  const [messages, rows] = [400, 100];
  let sent = 0;
  const sending = (async () => {
    // 200 KiB each: in the id of an item, which counts on the wire and nowhere else.
    const items = [{ ...line(lamp), id: "x".repeat(2_048) }];
    const orders = Array.from({ length: rows }, () => ({ userId: ada.id, items }));
    for (; sent < messages; sent++) await new Promise((resolve) => call.write({ orders }, resolve));
    call.end();
  })();

  let before = 0;
  const isStuck = (): boolean => sent > 0 && before === (before = sent);
  await expect.poll(isStuck, { interval: 400 }).toBe(true);
  const sentWhileHeld = sent;
  await held[Symbol.asyncDispose]();
  await sending;
  const { read, error } = await answers;

  // Two chunks, the 16 messages that a stream of Node holds, and one in each window on the way.
  expect(sentWhileHeld * rows).toBeLessThan(2 * 1_000 + 16 * rows + 4 * rows);
  expect(error).toBeUndefined();
  expect(summarize(chunksOf(read)).inserted).toBe(messages * rows);
});
