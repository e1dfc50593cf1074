import { randomUUID } from "node:crypto";
import { afterAll, expect, test } from "vitest";
import { OrderStatus, StockPolicy, type Order } from "../../src/gen/commerce/order/v1/order_service_pb.ts";
import { failure } from "../support/errors.ts";
import { line, openShop } from "../support/shop.ts";

const shop = await openShop();
afterAll(() => shop[Symbol.asyncDispose]());
const [ada, lamp] = [await shop.user(), await shop.product(1_000_000n)];

const { PENDING, CONFIRMED, SHIPPED, DELIVERED, CANCELLED } = OrderStatus;

/** How an order comes to each status. */
const paths = {
  PENDING: [],
  CONFIRMED: [CONFIRMED],
  SHIPPED: [CONFIRMED, SHIPPED],
  DELIVERED: [CONFIRMED, SHIPPED, DELIVERED],
  CANCELLED: [CANCELLED],
} as const;
type Status = keyof typeof paths;
const statuses = Object.keys(paths) as Status[];

/** A new order of Ada's in a status. */
async function orderIn(status: Status, product = lamp, quantity = 1): Promise<Order> {
  let order = await shop.order([product], quantity, ada.id);
  for (const step of paths[status]) order = { ...(await move(order.id, step)), items: order.items };
  return order;
}

async function move(
  id: string,
  status: OrderStatus,
  rest: { etag?: string; requestId?: string } = {},
): Promise<Order> {
  return (await shop.orders.updateOrderStatus({ id, status, ...rest })).order!;
}

async function onHand(id: string): Promise<bigint> {
  return (await shop.inventory.getProduct({ id })).product!.onHand;
}

async function history(orderId: string): Promise<OrderStatus[]> {
  const { events } = await shop.orders.listOrderEvents({ orderId });
  return events.map(({ status }) => status);
}

const allowed = new Set([
  "PENDING → CONFIRMED",
  "PENDING → CANCELLED",
  "CONFIRMED → SHIPPED",
  "CONFIRMED → CANCELLED",
  "SHIPPED → DELIVERED",
]);
const pairs = statuses.flatMap((from) =>
  statuses.map((to) => ({ from, to, isAllowed: allowed.has(`${from} → ${to}`) })),
);

test.each(pairs.filter((pair) => pair.isAllowed))(
  "UpdateOrderStatus moves an order from $from to $to",
  async ({ from, to }) => {
    const order = await orderIn(from);

    const moved = await move(order.id, OrderStatus[to], { etag: order.etag });

    const changed = {
      status: OrderStatus[to],
      etag: `"${paths[from].length + 2}"`,
      updateTime: moved.updateTime,
    };
    expect(moved).toEqual({ ...order, ...changed, items: [] });
    expect(moved.updateTime).not.toEqual(order.updateTime);
    expect((await shop.orders.getOrder({ id: order.id })).order).toEqual({ ...order, ...changed });
  },
);

test.each(pairs.filter((pair) => !pair.isAllowed))(
  "UpdateOrderStatus fails with FAILED_PRECONDITION from $from to $to and changes nothing",
  async ({ from, to }) => {
    const { id } = await orderIn(from);
    const before = await shop.stored();

    const failed = await failure(move(id, OrderStatus[to]));

    expect(failed).toEqual({
      code: "FailedPrecondition",
      reason: "FORBIDDEN_STATUS_CHANGE",
      subjects: [`commerce.order.v1.Order/${id}`],
      metadata: { id, from, to },
    });
    expect(await shop.stored()).toEqual(before);
  },
);

test.each(["PENDING", "CONFIRMED"] as const)(
  "UpdateOrderStatus from %s to CANCELLED returns the stock once",
  async (from) => {
    const [desk, sofa] = [await shop.product(10n), await shop.product(10n)];
    const items = [line(desk, 3), line(sofa, 2), line(desk, 4)];
    const { order } = await shop.orders.createOrder({ userId: ada.id, items });
    for (const step of paths[from]) await move(order!.id, step);
    const requestId = randomUUID();

    await move(order!.id, CANCELLED, { requestId });
    await move(order!.id, CANCELLED, { requestId });

    expect([await onHand(desk.id), await onHand(sofa.id)]).toEqual([10n, 10n]);
  },
);

test("UpdateOrderStatus to CANCELLED returns the stock also where an adjustment could not add it", async () => {
  const desk = await shop.product(1_000_000_000_000n);
  const order = await shop.order([desk], 5, ada.id);
  await shop.inventory.adjustStock({ productId: desk.id, delta: 5n });

  await move(order.id, CANCELLED);

  expect(await onHand(desk.id)).toBe(1_000_000_000_005n);
});

test("AdjustStock takes from a stock that a cancellation has lifted above its range, and adds nothing to it", async () => {
  const desk = await shop.product(1_000_000_000_000n);
  const order = await shop.order([desk], 5, ada.id);
  await shop.inventory.adjustStock({ productId: desk.id, delta: 5n });
  await move(order.id, CANCELLED);

  const failed = await failure(shop.inventory.adjustStock({ productId: desk.id, delta: 1n }));
  const { product } = await shop.inventory.adjustStock({ productId: desk.id, delta: -1n });

  expect(failed).toMatchObject({ code: "FailedPrecondition", reason: "STOCK_LIMIT" });
  expect(product!.onHand).toBe(1_000_000_000_004n);
});

test.each(['"1"', '"3"', '"999999999999999999"'])(
  'UpdateOrderStatus fails with ABORTED for the etag %j of an order whose etag is "2", and changes nothing',
  async (etag) => {
    const { id } = await orderIn("CONFIRMED");
    const before = await shop.stored();

    const failed = await failure(move(id, SHIPPED, { etag }));

    expect(failed).toEqual({ code: "Aborted", reason: "ETAG_MISMATCH", metadata: { id, etag: '"2"' } });
    expect(await shop.stored()).toEqual(before);
  },
);

test("UpdateOrderStatus repeated with its request_id succeeds although its etag is stale", async () => {
  const { id, etag } = await orderIn("PENDING");
  const requestId = randomUUID();
  await move(id, CONFIRMED, { etag, requestId });
  const shipped = await move(id, SHIPPED);

  const repeated = await move(id, CONFIRMED, { etag, requestId: requestId.toUpperCase() });

  expect(repeated).toEqual(shipped);
  expect(await history(id)).toEqual([PENDING, CONFIRMED, SHIPPED]);
});

test("UpdateOrderStatus fails with INVALID_ARGUMENT for another change under a used request_id", async () => {
  const [first, other] = [await orderIn("PENDING"), await orderIn("PENDING")];
  const requestId = randomUUID();
  await move(first.id, CONFIRMED, { requestId });
  const before = await shop.stored();

  const answers = [
    await failure(move(other.id, CONFIRMED, { requestId })),
    await failure(move(first.id, SHIPPED, { requestId })),
    await failure(move(first.id, CONFIRMED, { requestId, etag: first.etag })),
  ];

  const reused = { code: "InvalidArgument", reason: "REQUEST_ID_REUSED", fields: ["request_id"] };
  expect(answers).toEqual([reused, reused, reused]);
  expect(await shop.stored()).toEqual(before);
});

test("UpdateOrderStatus called 20 times at once with one request_id moves the order once", async () => {
  const { id } = await orderIn("PENDING");
  const requestId = randomUUID();

  const orders = await Promise.all(Array.from({ length: 20 }, () => move(id, CONFIRMED, { requestId })));

  expect(orders).toEqual(Array.from({ length: 20 }, () => orders[0]));
  expect(await history(id)).toEqual([PENDING, CONFIRMED]);
});

test.each([
  ["without an etag", false, "FailedPrecondition"],
  ["with its etag", true, "Aborted"],
] as const)("UpdateOrderStatus called by two at once %s lets exactly one win", async (_, withEtag, code) => {
  const desk = await shop.product(10n);
  const { id, etag } = await orderIn("CONFIRMED", desk, 4);

  const answers = await Promise.allSettled(
    [SHIPPED, CANCELLED].map((status) => move(id, status, withEtag ? { etag } : {})),
  );

  const [won] = answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
  const [lost] = answers.flatMap((answer) => (answer.status === "rejected" ? [answer.reason as Error] : []));
  expect(await failure(Promise.reject(lost))).toMatchObject({ code });
  expect(await history(id)).toEqual([PENDING, CONFIRMED, won!.status]);
  expect(await onHand(desk.id)).toBe(won!.status === CANCELLED ? 10n : 6n);
});

test("ListOrderEvents returns the changes of an order, oldest first, in pages", async () => {
  const { id, createTime, updateTime } = await orderIn("DELIVERED");

  const first = await shop.orders.listOrderEvents({ orderId: id, pageSize: 3 });
  const second = await shop.orders.listOrderEvents({
    orderId: id,
    pageSize: 3,
    pageToken: first.nextPageToken,
  });

  expect(first.events).toMatchObject([
    { version: 1n, status: PENDING, createTime },
    { version: 2n, status: CONFIRMED },
    { version: 3n, status: SHIPPED },
  ]);
  expect(second.events).toMatchObject([{ version: 4n, status: DELIVERED, createTime: updateTime }]);
  expect(second.nextPageToken).toBe("");
});

test("an order that leaves the stock alone moves as others do", async () => {
  const items = [line(lamp)];
  const { order } = await shop.orders.createOrder({ userId: ada.id, items, stockPolicy: StockPolicy.NONE });

  const moved = await move(order!.id, CONFIRMED);

  expect(moved).toMatchObject({ status: CONFIRMED, stockPolicy: StockPolicy.NONE });
});
