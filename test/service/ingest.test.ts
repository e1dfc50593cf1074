import { randomUUID } from "node:crypto";
import { once as event } from "node:events";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
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

test("IngestOrders places what is sent, acknowledges it without gaps and ends with a summary", async () => {
  await using shop = await openShop();
  const { ada, lamp } = await givenStock(shop);
  const orders = drafts(ada.id, lamp, 3_000);
  orders[5] = { userId: randomUUID(), items: [line(lamp)] };

  const { read, error } = await readAll(shop.orders.ingestOrders(send(orders, 10, { firstIndex: 3n })));

  expect(error).toBeUndefined();
  expect(expectGapless(chunksOf(read), 3n, 3_002n)).toBe(true);
  expect(summarize(chunksOf(read))).toEqual({
    inserted: 2_999,
    existing: 0,
    refused: { 8: "USER_NOT_FOUND" },
  });
  expect(read.at(-1)!.answer).toMatchObject({
    case: "summary",
    value: { insertedCount: 2_999n, existingCount: 0n, refusedCount: 1n },
  });
  expect([await countOrders(shop), await readViolations(shop)]).toEqual([2_999, []]);
});

test("IngestOrders lets small messages share chunks", async () => {
  await using shop = await openShop();
  const { ada, lamp } = await givenStock(shop);

  const { read } = await readAll(shop.orders.ingestOrders(send(drafts(ada.id, lamp, 1_000), 1)));

  expect(summarize(chunksOf(read)).inserted).toBe(1_000);
  expect(chunksOf(read).length).toBeLessThan(500);
});

test("IngestOrders acknowledges a message while the stream stays open and idle", async () => {
  await using shop = await openShop();
  using grpcJs = grpcJsImports(shop);
  const { ada, lamp } = await givenStock(shop);
  const call = grpcJs.ingestOrders();

  const acknowledged: (bigint | undefined)[] = [];
  for (const count of [1, 2]) {
    call.write({ orders: drafts(ada.id, lamp, count) });
    const [response] = (await event(call, "data")) as [IngestOrdersResponse];
    acknowledged.push(chunksOf([response])[0]?.lastIndex);
  }
  call.end();
  const [summary] = (await event(call, "data")) as [IngestOrdersResponse];
  const [status] = (await event(call, "status")) as [{ code: number }];

  expect(acknowledged).toEqual([0n, 2n]);
  expect([summary.answer.case, status.code]).toEqual(["summary", 0]);
});

test("IngestOrders without a message ends with an empty summary", async () => {
  await using shop = await openShop();

  const { read, error } = await readAll(shop.orders.ingestOrders(send([], 1)));

  expect(error).toBeUndefined();
  expect(read.map(({ answer }) => answer.case)).toEqual(["summary"]);
});

test("IngestOrders resumes what ImportOrders has begun, and the other way round", async () => {
  await using shop = await openShop();
  const { ada, lamp, requestId } = await givenStock(shop);
  const orders = drafts(ada.id, lamp, 300);
  await readAll(shop.orders.importOrders({ orders: orders.slice(0, 200), requestId }));

  const stream = send(orders.slice(100), 50, { requestId, firstIndex: 100n });
  const { read } = await readAll(shop.orders.ingestOrders(stream));
  const again = await readAll(shop.orders.importOrders({ orders, requestId }));

  expect(summarize(chunksOf(read))).toEqual({ inserted: 100, existing: 100, refused: {} });
  expect(summarize(again.read.map(({ chunk }) => chunk))).toMatchObject({ inserted: 0, existing: 300 });
  expect([await countOrders(shop), await readViolations(shop)]).toEqual([300, []]);
});

test("IngestOrders with stop_on_error ends with ABORTED naming the first refused row", async () => {
  await using shop = await openShop();
  const { ada, lamp } = await givenStock(shop);
  const orders = drafts(ada.id, lamp, 10);
  orders[2] = { userId: ada.id, items: [] };

  const { read, error } = await readAll(shop.orders.ingestOrders(send(orders, 10, { stopOnError: true })));

  expect(toFailure(error)).toMatchObject({ reason: "STOPPED_ON_ERROR", metadata: { index: "2" } });
  expect(summarize(chunksOf(read)).inserted).toBe(9);
});

test("IngestOrders over gRPC on the HTTP port is what it is on the gRPC port", async () => {
  await using shop = await openShop();
  const { ada, lamp } = await givenStock(shop);
  const client = createClient(OrderService, createGrpcTransport({ baseUrl: shop.httpUrl }));

  const { read, error } = await readAll(client.ingestOrders(send(drafts(ada.id, lamp, 5), 5)));

  expect(error).toBeUndefined();
  expect(summarize(chunksOf(read)).inserted).toBe(5);
  expect(read.at(-1)!.answer.case).toBe("summary");
});

test("IngestOrders called by Connect over HTTP/1.1 fails with UNIMPLEMENTED", async () => {
  await using shop = await openShop();
  const transport = createConnectTransport({ baseUrl: shop.httpUrl, httpVersion: "1.1" });

  const { error } = await readAll(createClient(OrderService, transport).ingestOrders(send([{}], 1)));

  expect(toFailure(error).code).toBe("Unimplemented");
  expect(String(error)).toContain("HTTP/2");
});

test("IngestOrders over HTTP/1.1 answers UNIMPLEMENTED and that HTTP/2 is needed", async () => {
  await using shop = await openShop();

  const answer = await fetch(`${shop.httpUrl}/commerce.order.v1.OrderService/IngestOrders`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{}",
  });

  expect([answer.status, await answer.json()]).toMatchObject([
    505,
    { code: "unimplemented", message: expect.stringContaining("HTTP/2") },
  ]);
});
