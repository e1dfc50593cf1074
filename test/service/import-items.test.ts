import { randomUUID } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import {
  OrderStatus,
  StockPolicy,
  type ImportOrderItemsResponse,
  type OrderItemDraftSchema,
} from "../../src/gen/commerce/order/v1/order_service_pb.ts";
import { toFailure } from "../support/errors.ts";
import {
  expectGapless,
  givenOrders,
  readAll,
  readViolations,
  summarize,
  toRowFailure,
} from "../support/imports.ts";
import { once, startProxy, type Fault } from "../support/proxy.ts";
import { line, openShop, price } from "../support/shop.ts";

type Row = MessageInitShape<typeof OrderItemDraftSchema>;

const chunksOf = (read: readonly ImportOrderItemsResponse[]) => read.map(({ chunk }) => chunk);

test("ImportOrderItems adds items behind the others; total, count, etag, history and stock follow", async () => {
  await using shop = await openShop();
  const { lamp, ids } = await givenOrders(shop, 1);
  const [orderId, pen] = [ids[0]!, await shop.product(10n)];
  const items = [
    { orderId, item: line(pen, 2) },
    { orderId, item: line(lamp, 3, { ...price, units: 1n }) },
  ];

  const { read, error } = await readAll(shop.orders.importOrderItems({ items }));

  expect(error).toBeUndefined();
  expect(summarize(chunksOf(read))).toEqual({ inserted: 2, existing: 0, refused: {} });
  const { order } = await shop.orders.getOrder({ id: orderId });
  expect(order).toMatchObject({
    total: { units: 35n, nanos: 940_000_000 },
    itemCount: 3,
    etag: '"2"',
    status: OrderStatus.PENDING,
  });
  expect(order!.items.map(({ productId, quantity }) => [productId, quantity])).toEqual([
    [lamp.id, 1],
    [pen.id, 2],
    [lamp.id, 3],
  ]);
  const { events } = await shop.orders.listOrderEvents({ orderId });
  expect(events.map(({ version, status }) => [version, status])).toEqual([
    [1n, OrderStatus.PENDING],
    [2n, OrderStatus.PENDING],
  ]);
  expect((await shop.inventory.getProduct({ id: pen.id })).product!.onHand).toBe(8n);
  expect(await readViolations(shop)).toEqual([]);
});

test("ImportOrderItems refuses rows by themselves, each with its index", async () => {
  await using shop = await openShop();
  const { lamp, ids } = await givenOrders(shop, 5);
  const [open, delivered, cancelled, full, rich] = ids as [string, string, string, string, string];
  for (const status of [OrderStatus.CONFIRMED, OrderStatus.SHIPPED, OrderStatus.DELIVERED])
    await shop.orders.updateOrderStatus({ id: delivered, status });
  await shop.orders.updateOrderStatus({ id: cancelled, status: OrderStatus.CANCELLED });
  const filling = Array.from({ length: 998 }, () => ({ orderId: full, item: line(lamp) }));
  await readAll(shop.orders.importOrderItems({ items: filling }));
  const scarce = await shop.product(2n);
  const much = { ...price, units: 999_999_999_999_000n };
  const items: Row[] = [
    { orderId: open, item: line(lamp) },
    { orderId: randomUUID(), item: line(lamp) },
    { orderId: delivered, item: line(lamp) },
    { orderId: cancelled, item: line(lamp) },
    { orderId: open, item: line({ id: randomUUID() }) },
    { orderId: open, item: line(scarce, 3) },
    { orderId: open, item: line(lamp, 1, { ...price, currencyCode: "USD" }) },
    { orderId: open },
    { orderId: "none", item: line(lamp, 0) },
    { orderId: full, item: line(lamp) },
    { orderId: full, item: line(lamp) },
    { orderId: rich, item: line(lamp, 1, much) },
    { orderId: rich, item: line(lamp, 1, much) },
    { orderId: open, item: line(scarce, 2) },
    { orderId: open, item: line(scarce, 1) },
  ];

  const { read, error } = await readAll(shop.orders.importOrderItems({ items }));

  expect(error).toBeUndefined();
  expect(summarize(chunksOf(read))).toEqual({
    inserted: 4,
    existing: 0,
    refused: {
      1: "ORDER_NOT_FOUND",
      2: "FINAL_ORDER",
      3: "FINAL_ORDER",
      4: "PRODUCT_NOT_FOUND",
      5: "INSUFFICIENT_STOCK",
      6: "INVALID_FIELD",
      7: "INVALID_FIELD",
      8: "INVALID_FIELD",
      10: "TOO_MANY_ITEMS",
      12: "TOTAL_LIMIT",
      14: "INSUFFICIENT_STOCK",
    },
  });
  const short = chunksOf(read)[0]!.refused.find(({ index }) => index === 5n)!;
  expect(toRowFailure(short.status!).metadata).toEqual({
    product_id: scarce.id,
    on_hand: "2",
    requested: "3",
    shortages: `${scarce.id}:2:3`,
  });
  expect(await readViolations(shop)).toEqual([]);
});

test("ImportOrderItems leaves the stock alone where the order does", async () => {
  await using shop = await openShop();
  const { lamp, ids } = await givenOrders(shop, 1, StockPolicy.NONE);

  const items = [{ orderId: ids[0]!, item: line(lamp, 1_000_000) }];
  const { read } = await readAll(shop.orders.importOrderItems({ items }));

  expect(summarize(chunksOf(read)).inserted).toBe(1);
  expect((await shop.inventory.getProduct({ id: lamp.id })).product!.onHand).toBe(1_000_000n);
});

test("ImportOrderItems repeated adds nothing, also to an order that is final by then", async () => {
  await using shop = await openShop();
  const { lamp, ids } = await givenOrders(shop, 2);
  const requestId = randomUUID();
  const items = ids.map((orderId) => ({ orderId, item: line(lamp) }));
  await readAll(shop.orders.importOrderItems({ items, requestId }));
  await shop.orders.updateOrderStatus({ id: ids[0]!, status: OrderStatus.CANCELLED });
  const before = await shop.stored();

  const { read } = await readAll(shop.orders.importOrderItems({ items, requestId }));
  const changed = [items[0]!, { orderId: ids[1]!, item: line(lamp, 2) }];
  const other = await readAll(shop.orders.importOrderItems({ items: changed, requestId }));

  expect(summarize(chunksOf(read))).toEqual({ inserted: 0, existing: 2, refused: {} });
  expect(summarize(chunksOf(other.read)).refused).toEqual({ 1: "REQUEST_ID_REUSED" });
  expect(await shop.stored()).toEqual(before);
});

test.each<Fault>([
  { kind: "cut_before" },
  { kind: "cut_after" },
  { kind: "drop_answer" },
  { kind: "late", ms: 5 },
  { kind: "error", code: "40001" },
  { kind: "error_after", code: "40003" },
])("ImportOrderItems whose second chunk meets %o goes on and has every item once", async (fault) => {
  await using shop = await openShop({}, { through: startProxy });
  const { lamp, ids } = await givenOrders(shop, 100);
  const items = Array.from({ length: 2_500 }, (_, n) => ({ orderId: ids[n % 100]!, item: line(lamp) }));
  let chunks = 0;
  shop.proxy.decide = ({ statement }) =>
    statement === "orders.add_items" && ++chunks === 2 ? fault : undefined;

  const { read, error } = await readAll(shop.orders.importOrderItems({ items }));

  expect(error).toBeUndefined();
  expect(expectGapless(chunksOf(read), 0n, 2_499n)).toBe(true);
  const { inserted, existing, refused } = summarize(chunksOf(read));
  expect([inserted + existing, refused, [...shop.proxy.injected]]).toEqual([2_500, {}, [[fault.kind, 1]]]);
  const { order } = await shop.orders.getOrder({ id: ids[0]! });
  expect([order!.itemCount, await readViolations(shop)]).toEqual([26, []]);
});

test("ImportOrderItems that took the last stock and lost its answer finds its items", async () => {
  await using shop = await openShop({}, { through: startProxy });
  const { ids } = await givenOrders(shop, 1);
  const last = await shop.product(1n);
  shop.proxy.decide = once("orders.add_items", { kind: "drop_answer" });

  const items = [{ orderId: ids[0]!, item: line(last) }];
  const { read } = await readAll(shop.orders.importOrderItems({ items }));

  expect(summarize(chunksOf(read))).toEqual({ inserted: 0, existing: 1, refused: {} });
  expect(await readViolations(shop)).toEqual([]);
});

test("ImportOrderItems left in the middle and resumed has no item twice and none too few", async () => {
  await using shop = await openShop();
  const { lamp, ids } = await givenOrders(shop, 100);
  const items = Array.from({ length: 3_000 }, (_, n) => ({ orderId: ids[n % 100]!, item: line(lamp) }));
  const [requestId, leaving] = [randomUUID(), new AbortController()];
  const left = await readAll(
    shop.orders.importOrderItems({ items, requestId }, { signal: leaving.signal }),
    ({ length }) => length === 1,
  );
  leaving.abort();

  const firstIndex = left.read[0]!.chunk!.lastIndex + 1n;
  const rest = { items: items.slice(Number(firstIndex)), requestId, firstIndex };
  const { read } = await readAll(shop.orders.importOrderItems(rest));

  expect(expectGapless(chunksOf([...left.read, ...read]), 0n, 2_999n)).toBe(true);
  expect((await shop.orders.getOrder({ id: ids[99]! })).order!.itemCount).toBe(31);
  expect(await readViolations(shop)).toEqual([]);
});

test("ImportOrderItems beside CreateOrder and AdjustStock on the same products keeps stock and totals right", async () => {
  await using shop = await openShop();
  const { ada, lamp, ids } = await givenOrders(shop, 50);
  const items = Array.from({ length: 2_000 }, (_, n) => ({ orderId: ids[n % 50]!, item: line(lamp) }));
  const over = new AbortController();
  const trade = async (): Promise<void> => {
    while (!over.signal.aborted) {
      await shop.orders.createOrder({ userId: ada.id, items: [line(lamp)] });
      await shop.inventory.adjustStock({ productId: lamp.id, delta: 1n });
    }
  };

  const traders = Array.from({ length: 4 }, trade);
  const { read, error } = await readAll(shop.orders.importOrderItems({ items })).finally(() => over.abort());
  await Promise.all(traders);

  expect(error && toFailure(error)).toBeUndefined();
  expect(summarize(chunksOf(read))).toEqual({ inserted: 2_000, existing: 0, refused: {} });
  expect(await readViolations(shop)).toEqual([]);
});

test("ImportOrderItems halves a chunk that meets others on its rows again and again", async () => {
  await using shop = await openShop({}, { through: startProxy });
  const { lamp, ids } = await givenOrders(shop, 10);
  const items = Array.from({ length: 100 }, (_, n) => ({ orderId: ids[n % 10]!, item: line(lamp) }));
  let conflicts = 0;
  shop.proxy.decide = ({ statement }) =>
    statement === "orders.add_items" && conflicts++ < 10 ? { kind: "error", code: "40001" } : undefined;

  const { read, error } = await readAll(shop.orders.importOrderItems({ items }));

  expect(error).toBeUndefined();
  expect(read.length).toBeGreaterThan(1);
  expect(summarize(chunksOf(read))).toEqual({ inserted: 100, existing: 0, refused: {} });
  expect(await readViolations(shop)).toEqual([]);
});
