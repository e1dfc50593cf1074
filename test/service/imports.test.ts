import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { StockPolicy, type ImportOrdersResponse } from "../../src/gen/commerce/order/v1/order_service_pb.ts";
import { toFailure } from "../support/errors.ts";
import {
  countOrders,
  drafts,
  expectGapless,
  readAll,
  readViolations,
  summarize,
} from "../support/imports.ts";
import { once, startProxy, type Fault } from "../support/proxy.ts";
import { line, openShop, price, type Shop } from "../support/shop.ts";

const chunksOf = (read: readonly ImportOrdersResponse[]) => read.map(({ chunk }) => chunk);

async function givenImport(shop: Shop, count: number) {
  const [ada, lamp] = [await shop.user(), await shop.product(1_000_000n)];
  return { ada, lamp, requestId: randomUUID(), orders: drafts(ada.id, lamp, count) };
}

test("ImportOrders answers each chunk, without gaps, and places every order", async () => {
  await using shop = await openShop();
  const { orders, requestId } = await givenImport(shop, 2_500);

  const { read, error } = await readAll(shop.orders.importOrders({ orders, requestId, firstIndex: 7n }));

  expect(error).toBeUndefined();
  expect(read.length).toBeGreaterThan(1);
  expect(expectGapless(chunksOf(read), 7n, 2_506n)).toBe(true);
  expect(summarize(chunksOf(read))).toEqual({ inserted: 2_500, existing: 0, refused: {} });
  expect([await countOrders(shop), await readViolations(shop)]).toEqual([2_500, []]);
});

test("ImportOrders places the order that CreateOrder would place", async () => {
  await using shop = await openShop();
  const [ada, lamp] = [await shop.user(), await shop.product()];
  const request = { userId: ada.id, items: [line(lamp, 2), line(lamp, 3)], stockPolicy: StockPolicy.NONE };
  const { order } = await shop.orders.createOrder(request);

  await readAll(shop.orders.importOrders({ orders: [request] }));

  const { orders } = await shop.orders.listOrders({ userId: ada.id, view: 2 });
  const own = { id: "", createTime: undefined, updateTime: undefined };
  const [imported, created] = orders.map((each) => ({
    ...each,
    ...own,
    items: each.items.map((item) => ({ ...item, id: "" })),
  }));
  expect(order!.total).toMatchObject({ units: 49n, nanos: 950_000_000 });
  expect(imported).toEqual(created);
});

test("ImportOrders refuses rows by themselves, each with its index and what CreateOrder would say", async () => {
  await using shop = await openShop();
  const { ada, lamp, orders } = await givenImport(shop, 10);
  const scarce = await shop.product(1n);
  const dollars = line(lamp, 1, { ...price, currencyCode: "USD" });
  orders[1] = { userId: randomUUID(), items: [line(lamp)] };
  orders[2] = { userId: ada.id, items: [line({ id: randomUUID() })] };
  orders[3] = { userId: ada.id, items: [line(scarce, 2)] };
  orders[4] = { userId: ada.id, items: [] };
  orders[5] = { userId: "nobody", items: [line(lamp, 0)] };
  orders[6] = { userId: ada.id, items: [line(lamp), dollars] };
  orders[7] = { userId: ada.id, items: [line(scarce)] };
  orders[8] = { userId: ada.id, items: [line(scarce)] };

  const { read, error } = await readAll(shop.orders.importOrders({ orders }));

  expect(error).toBeUndefined();
  expect(summarize(chunksOf(read))).toEqual({
    inserted: 3,
    existing: 0,
    refused: {
      1: "USER_NOT_FOUND",
      2: "PRODUCT_NOT_FOUND",
      3: "INSUFFICIENT_STOCK",
      4: "INVALID_FIELD",
      5: "INVALID_FIELD",
      6: "INVALID_FIELD",
      8: "INSUFFICIENT_STOCK",
    },
  });
  const [, , , , fourth] = read[0]!.chunk!.refused;
  expect(fourth!.status).toMatchObject({ code: 3, message: expect.stringContaining("user_id") as string });
  expect(await readViolations(shop)).toEqual([]);
});

test("ImportOrders with stop_on_error acknowledges the chunk of the refused row and ends with ABORTED", async () => {
  await using shop = await openShop();
  const { orders } = await givenImport(shop, 5_000);
  orders[3] = { userId: randomUUID(), items: orders[3]!.items! };

  const { read, error } = await readAll(shop.orders.importOrders({ orders, stopOnError: true }));

  expect(toFailure(error)).toMatchObject({
    code: "Aborted",
    reason: "STOPPED_ON_ERROR",
    metadata: { index: "3" },
  });
  expect(read).toHaveLength(1);
  expect(await countOrders(shop)).toBe(Number(read[0]!.chunk!.lastIndex));
});

test("ImportOrders with stop_on_error answers a chunk as one whose parts had to be written again", async () => {
  await using shop = await openShop({}, { through: startProxy });
  const { orders, requestId } = await givenImport(shop, 10);
  const scarce = await shop.product(5n);
  // Both would be possible alone: the second one is refused in a round of its own, behind the first commit.
  for (const n of [0, 1]) orders[n] = { userId: orders[n]!.userId!, items: [line(scarce, 3)] };
  let statements = 0;
  shop.proxy.decide = ({ statement }) => {
    if (statement === "orders.create") statements++;
    return statement === "orders.create" && statements > 1 && statements < 10
      ? { kind: "error", code: "40001" }
      : undefined;
  };

  const { read, error } = await readAll(shop.orders.importOrders({ orders, requestId, stopOnError: true }));

  expect(toFailure(error)).toMatchObject({ reason: "STOPPED_ON_ERROR", metadata: { index: "1" } });
  expect(chunksOf(read)).toMatchObject([{ firstIndex: 0n, lastIndex: 9n, existingCount: 9 }]);
  expect([shop.proxy.injected.get("error"), await countOrders(shop)]).toEqual([8, 9]);
});

test("ImportOrders repeated with its request_id inserts nothing and says so", async () => {
  await using shop = await openShop();
  const { orders, requestId } = await givenImport(shop, 1_500);
  await readAll(shop.orders.importOrders({ orders, requestId }));

  const { read } = await readAll(shop.orders.importOrders({ orders, requestId }));

  expect(summarize(chunksOf(read))).toEqual({ inserted: 0, existing: 1_500, refused: {} });
  expect([await countOrders(shop), await readViolations(shop)]).toEqual([1_500, []]);
});

test("ImportOrders repeated with another order at an index refuses that row alone", async () => {
  await using shop = await openShop();
  const { orders, requestId, ada, lamp } = await givenImport(shop, 3);
  await readAll(shop.orders.importOrders({ orders, requestId }));
  orders[1] = { userId: ada.id, items: [line(lamp, 2)] };

  const { read } = await readAll(shop.orders.importOrders({ orders, requestId }));

  expect(summarize(chunksOf(read))).toEqual({
    inserted: 0,
    existing: 2,
    refused: { 1: "REQUEST_ID_REUSED" },
  });
});

test.each([1, 2, 3])(
  "ImportOrders left after answer %i and resumed behind it has no order twice and none too few",
  async (answers) => {
    await using shop = await openShop();
    const { orders, requestId } = await givenImport(shop, 3_500);
    const leaving = new AbortController();
    const left = await readAll(
      shop.orders.importOrders({ orders, requestId }, { signal: leaving.signal }),
      ({ length }) => length === answers,
    );
    leaving.abort();
    const firstIndex = left.read.at(-1)!.chunk!.lastIndex + 1n;

    const rest = orders.slice(Number(firstIndex));
    const { read, error } = await readAll(shop.orders.importOrders({ orders: rest, requestId, firstIndex }));

    expect(error).toBeUndefined();
    expect(expectGapless(chunksOf([...left.read, ...read]), 0n, 3_499n)).toBe(true);
    expect([await countOrders(shop), await readViolations(shop)]).toEqual([3_500, []]);
  },
);

test.each<Fault>([
  { kind: "cut_before" },
  { kind: "cut_after" },
  { kind: "drop_answer" },
  { kind: "late", ms: 5 },
  { kind: "error", code: "40001" },
  { kind: "error_after", code: "40003" },
])("ImportOrders whose second chunk meets %o goes on and has every order once", async (fault) => {
  await using shop = await openShop({}, { through: startProxy });
  const { orders, requestId } = await givenImport(shop, 2_500);
  let chunks = 0;
  shop.proxy.decide = ({ statement }) =>
    statement === "orders.create" && ++chunks === 2 ? fault : undefined;

  const { read, error } = await readAll(shop.orders.importOrders({ orders, requestId }));

  expect(error).toBeUndefined();
  const { inserted, existing, refused } = summarize(chunksOf(read));
  expect([inserted + existing, refused]).toEqual([2_500, {}]);
  expect([...shop.proxy.injected]).toEqual([[fault.kind, 1]]);
  expect([await countOrders(shop), await readViolations(shop)]).toEqual([2_500, []]);
});

// Eight attempts are all that a chunk of several rows has before it is halved.
test.each(["imports.get", "imports.begin"])(
  "ImportOrders whose %s meets others nine times goes on and has every order once",
  async (beginning) => {
    await using shop = await openShop({}, { through: startProxy });
    const { orders, requestId } = await givenImport(shop, 20);
    let left = 9;
    shop.proxy.decide = ({ statement }) =>
      statement === beginning && --left >= 0 ? { kind: "error", code: "40001" } : undefined;

    const { read, error } = await readAll(shop.orders.importOrders({ orders, requestId }));

    expect(error).toBeUndefined();
    expect(summarize(chunksOf(read))).toEqual({ inserted: 20, existing: 0, refused: {} });
    expect(left).toBeLessThan(0);
  },
);

test("ImportOrders halves a chunk that the database finds too large", async () => {
  await using shop = await openShop({}, { through: startProxy });
  const { orders, requestId } = await givenImport(shop, 500);
  shop.proxy.decide = once("orders.create", { kind: "error", code: "54000" });

  const { read, error } = await readAll(shop.orders.importOrders({ orders, requestId }));

  expect(error).toBeUndefined();
  expect(summarize(chunksOf(read))).toEqual({ inserted: 500, existing: 0, refused: {} });
  expect(shop.proxy.injected.get("error")).toBe(1);
  expect(await readViolations(shop)).toEqual([]);
});

test.each([
  [StockPolicy.NONE, 2],
  [StockPolicy.RESERVE, 1],
])("ImportOrders with the stock policy %i has %i chunks under way", async (stockPolicy, most) => {
  await using shop = await openShop({}, { through: startProxy });
  const { orders, requestId } = await givenImport(shop, 3_000);
  const connections = new Set<number>();
  shop.proxy.decide = ({ connection, statement }) => {
    if (statement === "orders.create") connections.add(connection);
    return statement === "orders.create" ? { kind: "delay", ms: 100 } : undefined;
  };

  const { read, error } = await readAll(
    shop.orders.importOrders({ orders: orders.map((order) => ({ ...order, stockPolicy })), requestId }),
  );

  expect(error).toBeUndefined();
  expect(connections.size).toBe(most);
  expect(expectGapless(chunksOf(read), 0n, 2_999n)).toBe(true);
  expect(summarize(chunksOf(read))).toEqual({ inserted: 3_000, existing: 0, refused: {} });
  expect(await readViolations(shop)).toEqual([]);
});
