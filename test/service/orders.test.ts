import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import {
  OrderStatus,
  OrderView,
  StockPolicy,
  type Order,
} from "../../src/gen/commerce/order/v1/order_service_pb.ts";
import { failure } from "../support/errors.ts";
import { line, openShop } from "../support/shop.ts";

const shop = await openShop();
afterAll(() => shop[Symbol.asyncDispose]());
const ada = await shop.user();

type Request = Parameters<typeof shop.orders.createOrder>[0];

async function place(items: Request["items"], rest: Request = {}): Promise<Order> {
  return (await shop.orders.createOrder({ userId: ada.id, items: items!, ...rest })).order!;
}

async function onHand(id: string): Promise<bigint> {
  return (await shop.inventory.getProduct({ id })).product!.onHand;
}

function euros(units: bigint, nanos = 0) {
  return { currencyCode: "EUR", units, nanos };
}

test("CreateOrder returns what GetOrder returns, items in the order in which they came", async () => {
  const [lamp, desk] = [await shop.product(), await shop.product()];
  const items = [
    line(lamp, 3),
    line(desk, 1, euros(0n)),
    line(lamp, 2),
    line(desk, 7, euros(1n, 500_000_000)),
  ];

  const order = await place(items);

  expect(order).toMatchObject({
    userId: ada.id,
    status: OrderStatus.PENDING,
    items,
    itemCount: 4,
    stockPolicy: StockPolicy.RESERVE,
    etag: '"1"',
  });
  expect(order.updateTime).toEqual(order.createTime);
  expect(new Set(order.items.map(({ id }) => id)).size).toBe(4);
  expect((await shop.orders.getOrder({ id: order.id.toUpperCase() })).order).toEqual(order);
});

test.each([
  [
    "3 × 9.99 + 2 × 0.0001",
    [
      [3, euros(9n, 990_000_000)],
      [2, euros(0n, 100_000)],
    ],
    euros(29n, 970_200_000),
  ],
  [
    "0.1 + 0.2",
    [
      [1, euros(0n, 100_000_000)],
      [1, euros(0n, 200_000_000)],
    ],
    euros(0n, 300_000_000),
  ],
  ["nothing", [[1_000_000, euros(0n)]], euros(0n)],
  [
    "the largest price",
    [[1, euros(999_999_999_999_999n, 999_900_000)]],
    euros(999_999_999_999_999n, 999_900_000),
  ],
  [
    "3 × 333,333,333,333,333.3333",
    [[3, euros(333_333_333_333_333n, 333_300_000)]],
    euros(999_999_999_999_999n, 999_900_000),
  ],
  [
    "1,000,000 × 999,999,999.9999",
    [[1_000_000, euros(999_999_999n, 999_900_000)]],
    euros(999_999_999_999_900n),
  ],
] as const)("CreateOrder computes the total exactly: %s", async (_, lines, total) => {
  const lamp = await shop.product(1_000_000n);

  const order = await place(lines.map(([quantity, unitPrice]) => line(lamp, quantity, unitPrice)));

  expect(order.total).toMatchObject(total);
});

test("CreateOrder gives any items a total that is the sum of quantity times unit price", async () => {
  const lamp = await shop.product(0n);
  // 20 items of at most a million pieces stay below 10^15.
  const unitPrice = fc.record({
    currencyCode: fc.constant("JPY"),
    units: fc.bigInt(0n, 49_999_999n),
    nanos: fc.nat(9_999).map((e4) => e4 * 100_000),
  });
  const item = fc.record({ quantity: fc.integer({ min: 1, max: 1_000_000 }), unitPrice });
  const toNanos = (money: { units: bigint; nanos: number }): bigint =>
    money.units * 10n ** 9n + BigInt(money.nanos);

  await fc.assert(
    fc.asyncProperty(fc.array(item, { minLength: 1, maxLength: 20 }), async (items) => {
      const lines = items.map((each) => line(lamp, each.quantity, each.unitPrice));
      const { total, id } = await place(lines, { stockPolicy: StockPolicy.NONE });

      const sum = items.reduce((nanos, each) => nanos + BigInt(each.quantity) * toNanos(each.unitPrice), 0n);
      expect(toNanos(total!)).toBe(sum);
      const { order } = await shop.orders.getOrder({ id });
      expect(order).toMatchObject({ total, items: lines });
    }),
    { numRuns: 30 },
  );
});

test("CreateOrder takes 1000 items", async () => {
  const lamp = await shop.product(1_000n);

  const order = await place(Array.from({ length: 1_000 }, () => line(lamp)));

  expect(order).toMatchObject({ itemCount: 1_000, total: euros(9_990n) });
  expect((await shop.orders.getOrder({ id: order.id })).order).toEqual(order);
});

test.each([
  ["GetOrder", OrderView.UNSPECIFIED, 1],
  ["GetOrder", OrderView.FULL, 1],
  ["GetOrder", OrderView.BASIC, 0],
  ["ListOrders", OrderView.UNSPECIFIED, 0],
  ["ListOrders", OrderView.FULL, 1],
  ["ListOrders", OrderView.BASIC, 0],
] as const)("%s in view %i returns %i items of an order with one", async (method, view, count) => {
  const order = await place([line(await shop.product())]);

  const found =
    method === "GetOrder"
      ? (await shop.orders.getOrder({ id: order.id, view })).order
      : (await shop.orders.listOrders({ userId: ada.id, pageSize: 1, view })).orders[0];

  expect(found).toEqual({ ...order, items: order.items.slice(0, count) });
});

test("CreateOrder takes the items from the stock, the lines of a product together", async () => {
  const [lamp, desk] = [await shop.product(10n), await shop.product(10n)];

  await place([line(lamp, 4), line(desk, 1), { ...line(lamp, 6), productId: lamp.id.toUpperCase() }]);

  expect([await onHand(lamp.id), await onHand(desk.id)]).toEqual([0n, 9n]);
});

test("CreateOrder with STOCK_POLICY_NONE leaves the stock alone, and so does its cancellation", async () => {
  const lamp = await shop.product(1n);

  const order = await place([line(lamp, 5)], { stockPolicy: StockPolicy.NONE });
  await shop.orders.updateOrderStatus({ id: order.id, status: OrderStatus.CANCELLED });

  expect(order.stockPolicy).toBe(StockPolicy.NONE);
  expect(await onHand(lamp.id)).toBe(1n);
});

test("CreateOrder fails with FAILED_PRECONDITION naming what is short and stores nothing", async () => {
  const [lamp, desk, sofa] = [await shop.product(100n), await shop.product(5n), await shop.product(0n)];
  const before = await shop.stored();

  const failed = await failure(place([line(lamp, 1), line(sofa, 1), line(desk, 6)]));

  expect(failed).toEqual({
    code: "FailedPrecondition",
    reason: "INSUFFICIENT_STOCK",
    subjects: [sofa, desk].map(({ id }) => `commerce.inventory.v1.Product/${id}`),
    metadata: {
      product_id: sofa.id,
      on_hand: "0",
      requested: "1",
      shortages: `${sofa.id}:0:1,${desk.id}:5:6`,
    },
  });
  expect(await shop.stored()).toEqual(before);
});

test("CreateOrder fails with FAILED_PRECONDITION if a product's lines are too many together", async () => {
  const lamp = await shop.product(5n);
  const before = await shop.stored();

  const failed = await failure(place([line(lamp, 3), line(lamp, 3)]));

  expect(failed).toMatchObject({
    code: "FailedPrecondition",
    metadata: { product_id: lamp.id, on_hand: "5", requested: "6", shortages: `${lamp.id}:5:6` },
  });
  expect(await shop.stored()).toEqual(before);
});

test.each([StockPolicy.RESERVE, StockPolicy.NONE])(
  "CreateOrder with stock policy %i fails with NOT_FOUND for an unknown user or product, and stores nothing",
  async (stockPolicy) => {
    const lamp = await shop.product();
    const nobody = randomUUID();
    const before = await shop.stored();

    const userless = await failure(place([line(lamp)], { userId: nobody, stockPolicy }));
    const productless = await failure(place([line(lamp), line({ id: nobody })], { stockPolicy }));

    expect(userless).toMatchObject({ code: "NotFound", resource: `commerce.user.v1.User/${nobody}` });
    expect(productless).toMatchObject({
      code: "NotFound",
      resource: `commerce.inventory.v1.Product/${nobody}`,
    });
    expect(await shop.stored()).toEqual(before);
  },
);
