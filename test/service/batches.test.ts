import { randomUUID } from "node:crypto";
import { afterAll, expect, test } from "vitest";
import { OrderStatus, type Order } from "../../src/gen/commerce/order/v1/order_service_pb.ts";
import { failure } from "../support/errors.ts";
import { openShop } from "../support/shop.ts";

const shop = await openShop();
afterAll(() => shop[Symbol.asyncDispose]());
const [ada, lamp] = [await shop.user(), await shop.product()];

const { CONFIRMED, SHIPPED, CANCELLED } = OrderStatus;

function order(): Promise<Order> {
  return shop.order([lamp], 1, ada.id);
}

test("BatchUpdateOrderStatuses moves all orders and returns them in the order of the changes", async () => {
  const [first, second, third] = [await order(), await order(), await order()];
  const changes = [
    { id: third.id, status: CANCELLED, etag: third.etag },
    { id: first.id.toUpperCase(), status: CONFIRMED },
    { id: second.id, status: CONFIRMED, etag: "" },
  ];

  const { orders } = await shop.orders.batchUpdateOrderStatuses({ changes });

  expect(orders).toMatchObject([
    { id: third.id, status: CANCELLED, etag: '"2"', items: [], itemCount: 1 },
    { id: first.id, status: CONFIRMED },
    { id: second.id, status: CONFIRMED },
  ]);
  for (const moved of orders)
    expect((await shop.orders.getOrder({ id: moved.id, view: 1 })).order).toEqual(moved);
});

test("BatchUpdateOrderStatuses cancels orders of one product and returns all of its stock", async () => {
  const desk = await shop.product(10n);
  const orders = [await shop.order([desk, desk], 2, ada.id), await shop.order([desk], 3, ada.id)];

  await shop.orders.batchUpdateOrderStatuses({
    changes: orders.map(({ id }) => ({ id, status: CANCELLED })),
  });

  expect((await shop.inventory.getProduct({ id: desk.id })).product!.onHand).toBe(10n);
});

const unknown = randomUUID();
test.each([
  [
    "FAILED_PRECONDITION for a forbidden status change",
    async () => ({ id: (await order()).id, status: SHIPPED }),
    { code: "FailedPrecondition", metadata: { from: "PENDING", to: "SHIPPED", index: "1" } },
  ],
  [
    "NOT_FOUND for an order that does not exist",
    async () => ({ id: unknown, status: CONFIRMED }),
    { code: "NotFound", resource: `commerce.order.v1.Order/${unknown}`, metadata: { index: "1" } },
  ],
  [
    "ABORTED for a stale etag",
    async () => ({ id: (await order()).id, status: CONFIRMED, etag: '"7"' }),
    { code: "Aborted", reason: "ETAG_MISMATCH", metadata: { etag: '"1"', index: "1" } },
  ],
] as const)(
  "BatchUpdateOrderStatuses fails with %s, names its index and changes nothing",
  async (_, make, expected) => {
    const [first, last] = [await order(), await order()];
    const changes = [{ id: first.id, status: CANCELLED }, await make(), { id: last.id, status: SHIPPED }];
    const before = await shop.stored();

    const failed = await failure(shop.orders.batchUpdateOrderStatuses({ changes }));

    expect(failed).toMatchObject(expected);
    expect(await shop.stored()).toEqual(before);
  },
);

test("BatchUpdateOrderStatuses fails with INVALID_ARGUMENT for two changes of one order", async () => {
  const [first, second] = [await order(), await order()];
  const ids = [first.id, second.id, first.id.toUpperCase()];
  const before = await shop.stored();

  const failed = await failure(
    shop.orders.batchUpdateOrderStatuses({ changes: ids.map((id) => ({ id, status: CONFIRMED })) }),
  );

  expect(failed).toMatchObject({ code: "InvalidArgument", fields: ["changes[2].id"] });
  expect(await shop.stored()).toEqual(before);
});

test("BatchUpdateOrderStatuses moves 1000 orders", async () => {
  const ids = await shop.manyOrders(ada.id, 1_000);

  const { orders } = await shop.orders.batchUpdateOrderStatuses({
    changes: ids.map((id) => ({ id, status: CONFIRMED })),
  });

  expect(orders.map(({ id, status }) => ({ id, status }))).toEqual(
    ids.map((id) => ({ id, status: CONFIRMED })),
  );
});

test("BatchUpdateOrderStatuses repeated with its request_id returns the orders as they are now", async () => {
  const [first, second] = [await order(), await order()];
  const changes = [first, second].map(({ id, etag }) => ({ id, etag, status: CONFIRMED }));
  const requestId = randomUUID();
  const { orders } = await shop.orders.batchUpdateOrderStatuses({ changes, requestId });
  const { order: shipped } = await shop.orders.updateOrderStatus({ id: second.id, status: SHIPPED });
  const before = await shop.stored();

  const repeated = await shop.orders.batchUpdateOrderStatuses({ changes, requestId });

  expect(repeated.orders).toEqual([orders[0], shipped]);
  expect(await shop.stored()).toEqual(before);
});

test.each([0, 1])(
  "BatchUpdateOrderStatuses repeated when the order of change %d is gone with its user is NOT_FOUND",
  async (index) => {
    const people = [await shop.user(), await shop.user()];
    const orders = await Promise.all(people.map(({ id }) => shop.order([lamp], 1, id)));
    const changes = orders.map(({ id }) => ({ id, status: CONFIRMED }));
    const requestId = randomUUID();
    await shop.orders.batchUpdateOrderStatuses({ changes, requestId });
    await shop.users.deleteUser({ id: people[index]!.id, force: true });

    const repeated = await failure(shop.orders.batchUpdateOrderStatuses({ changes, requestId }));

    expect(repeated).toMatchObject({
      code: "NotFound",
      reason: "ORDER_NOT_FOUND",
      metadata: { id: orders[index]!.id, index: `${index}` },
    });
  },
);

test("BatchUpdateOrderStatuses refuses another batch under a used request_id", async () => {
  const [first, second, third] = [await order(), await order(), await order()];
  const changes = [first, second].map(({ id }) => ({ id, status: CONFIRMED }));
  const requestId = randomUUID();
  await shop.orders.batchUpdateOrderStatuses({ changes, requestId });
  const before = await shop.stored();
  const others = [
    changes.slice(0, 1),
    changes.toReversed(),
    [...changes, { id: third.id, status: CONFIRMED }],
    [{ id: third.id, status: CONFIRMED }],
  ];

  for (const other of others) {
    const failed = await failure(shop.orders.batchUpdateOrderStatuses({ changes: other, requestId }));
    expect(failed).toMatchObject({
      code: "InvalidArgument",
      reason: "REQUEST_ID_REUSED",
      fields: ["request_id"],
    });
  }

  expect(await shop.stored()).toEqual(before);
});

test("BatchUpdateOrderStatuses called by many at once with one request_id moves orders once", async () => {
  const ids = [(await order()).id, (await order()).id];
  const changes = ids.map((id) => ({ id, status: CONFIRMED }));
  const requestId = randomUUID();

  const answers = await Promise.all(
    Array.from({ length: 10 }, () => shop.orders.batchUpdateOrderStatuses({ changes, requestId })),
  );

  expect(answers).toEqual(Array.from({ length: 10 }, () => answers[0]));
  expect(answers[0]!.orders.map(({ etag }) => etag)).toEqual(['"2"', '"2"']);
});

test("BatchUpdateOrderStatuses called at once with batches that overlap moves one of them", async () => {
  const [first, second, third] = [await order(), await order(), await order()];
  const batches = [
    [first, second],
    [third, second],
  ].map((batch) => batch.map(({ id, etag }) => ({ id, etag, status: CONFIRMED })));

  const answers = await Promise.allSettled(
    batches.map((changes) => shop.orders.batchUpdateOrderStatuses({ changes })),
  );

  const won = answers.findIndex(({ status }) => status === "fulfilled");
  expect(answers.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
  const found = await Promise.all([first, third].map(({ id }) => shop.orders.getOrder({ id })));
  expect(found.map((answer) => answer.order!.etag)).toEqual(won === 0 ? ['"2"', '"1"'] : ['"1"', '"2"']);
});
