import { randomUUID } from "node:crypto";
import { afterAll, expect, test } from "vitest";
import { OrderStatus, StockPolicy, type Order } from "../../src/gen/commerce/order/v1/order_service_pb.ts";
import { failure } from "../support/errors.ts";
import { line, openShop, price } from "../support/shop.ts";

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

test("CreateOrder repeated with its request_id returns the order, also when the stock is gone", async () => {
  const lamp = await shop.product(5n);
  const requestId = randomUUID();
  const order = await place([line(lamp, 5)], { requestId });
  const before = await shop.stored();

  const repeated = await place([line(lamp, 5)], { requestId: requestId.toUpperCase() });

  expect(repeated).toEqual(order);
  expect(await shop.stored()).toEqual(before);
});

test("CreateOrder repeated with its request_id returns the order as it is now", async () => {
  const lamp = await shop.product(5n);
  const requestId = randomUUID();
  const { id, items } = await place([line(lamp, 5)], { requestId });
  const { order } = await shop.orders.updateOrderStatus({ id, status: OrderStatus.CANCELLED });

  const repeated = await place([line(lamp, 5)], { requestId });

  expect(repeated).toEqual({ ...order, items });
  expect(await onHand(lamp.id)).toBe(5n);
});

const [chair, stool, eve] = [await shop.product(), await shop.product(), await shop.user()];
test.each<[string, Request]>([
  ["user", { userId: eve.id }],
  ["product", { items: [line(stool), line(stool)] }],
  ["order of items", { items: [line(stool), line(chair)] }],
  ["quantity", { items: [line(chair), line(stool, 2)] }],
  ["price", { items: [line(chair), line(stool, 1, { ...price, nanos: 990_100_000 })] }],
  ["currency", { items: [chair, stool].map((each) => line(each, 1, { ...price, currencyCode: "USD" })) }],
  ["stock policy", { stockPolicy: StockPolicy.NONE }],
  ["product that does not exist", { items: [line({ id: randomUUID() })] }],
  ["quantity that is not there", { items: [line(chair, 1_000)] }],
])("CreateOrder fails with INVALID_ARGUMENT for another %s under a used request_id", async (_, change) => {
  const requestId = randomUUID();
  await place([line(chair), line(stool)], { requestId });
  const before = await shop.stored();

  const failed = await failure(place([line(chair), line(stool)], { requestId, ...change }));

  expect(failed).toEqual({ code: "InvalidArgument", reason: "REQUEST_ID_REUSED", fields: ["request_id"] });
  expect(await shop.stored()).toEqual(before);
});

test("CreateOrder called 50 times at once with one request_id places one order", async () => {
  const lamp = await shop.product(5n);
  const requestId = randomUUID();

  const orders = await Promise.all(Array.from({ length: 50 }, () => place([line(lamp, 5)], { requestId })));

  const { order } = await shop.orders.getOrder({ id: orders[0]!.id });
  expect(orders).toEqual(Array.from({ length: 50 }, () => order));
  expect(await onHand(lamp.id)).toBe(0n);
});

test("CreateOrder called by many at once sells all of little stock and fails for nothing else", async () => {
  const [lamp, desk] = [await shop.product(100n), await shop.product(1_000n)];
  const lines = [line(lamp, 3), line(desk, 1)];

  const answers = await Promise.allSettled(
    Array.from({ length: 50 }, (_, n) => place(n % 2 ? lines : lines.toReversed())),
  );

  const failures = answers.flatMap((answer) =>
    answer.status === "rejected" ? [answer.reason as Error] : [],
  );
  expect(failures).toHaveLength(17);
  for (const error of failures)
    expect(await failure(Promise.reject(error))).toMatchObject({
      code: "FailedPrecondition",
      metadata: { product_id: lamp.id },
    });
  expect([await onHand(lamp.id), await onHand(desk.id)]).toEqual([1n, 967n]);
});
