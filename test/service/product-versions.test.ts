import { randomUUID } from "node:crypto";
import { afterAll, expect, test } from "vitest";
import { adjustStock } from "../../src/db/products/adjust-stock.ts";
import { changeStatuses } from "../../src/db/orders/change-statuses.ts";
import { deleteUser } from "../../src/db/users/change-users.ts";
import { within, type Database } from "../../src/db/engine/database.ts";
import { importItems } from "../../src/db/orders/import-items.ts";
import type { Product } from "../../src/db/products/products.ts";
import type { OrderStatus } from "../../src/db/order-status.ts";
import { getOrders, type Order } from "../../src/db/orders/orders.ts";
import { createOrders } from "../../src/db/orders/place-orders.ts";
import { createTestDatabase } from "../support/databases.ts";
import { deadline, openDatabase } from "../support/pools.ts";
import { call, createRows, itemDraft, orderDraft } from "../support/rows.ts";

const { connection, ...database } = await createTestDatabase();
afterAll(() => database[Symbol.asyncDispose]());

async function move(db: Database, { id }: Order, status: OrderStatus): Promise<void> {
  const change = { orderId: id, status, version: undefined, idempotencyKey: randomUUID() };
  await changeStatuses(within(db, deadline()), [{ ...change, fingerprint: randomUUID(), refusalMs: 0 }]);
}

type Change = (db: Database, product: Product, order: Order) => Promise<unknown>;

/** What changes the stock of a product of which an order has taken one piece. */
const changes: Record<string, readonly [bigint, Change]> = {
  "a sale": [-1n, (db, { id }, { userId }) => createOrders(within(db, deadline()), [orderDraft(userId, id)])],
  "a cancellation": [1n, (db, _, order) => move(db, order, "cancelled")],
  "an item that is added": [
    -1n,
    (db, { id }, order) => importItems(within(db, deadline()), [itemDraft(order.id, id)]),
  ],
  "an adjustment": [
    5n,
    (db, { id }) => adjustStock(within(db, deadline()), [{ ...call(), productId: id, delta: 5n }]),
  ],
  "the deletion of a user": [
    1n,
    (db, _, { userId }) => {
      const change = {
        changeId: randomUUID(),
        fingerprint: randomUUID(),
        refusalMs: 0,
        userId,
        version: undefined,
      };
      return deleteUser(within(db, deadline()), { ...change, force: true });
    },
  ],
};

test.each(Object.entries(changes))(
  "a product whose stock is changed by %s has another version and a later update_time",
  async (_, [delta, change]) => {
    const db = openDatabase(connection);
    const rows = createRows(db);
    const product = await rows.product();
    const order = await rows.order(orderDraft((await rows.user()).id, product.id));
    const before = await rows.read(product);

    await change(db, product, order);

    const after = await rows.read(product);
    const { onHand, version, updateTime } = after;
    expect(after).toEqual({ ...before, onHand, version, updateTime });
    expect([onHand - before.onHand, version - before.version]).toEqual([delta, 1n]);
    expect(updateTime).toBeGreaterThan(before.updateTime);
  },
);

test("a product is changed by no other change of a status than a cancellation", async () => {
  const db = openDatabase(connection);
  const rows = createRows(db);
  const product = await rows.product();
  const order = await rows.order(orderDraft((await rows.user()).id, product.id));
  const before = await rows.read(product);

  for (const status of ["confirmed", "shipped", "delivered"] as const) await move(db, order, status);

  expect(await rows.read(product)).toEqual(before);
});

test("an order to which an item is added has another version and a later update_time", async () => {
  const db = openDatabase(connection);
  const rows = createRows(db);
  const product = await rows.product();
  const order = await rows.order(orderDraft((await rows.user()).id, product.id));

  await importItems(within(db, deadline()), [itemDraft(order.id, product.id)]);

  const [after] = await getOrders(within(db, deadline()), [order.id], false);
  expect(after).toMatchObject({ version: 2n, itemCount: 2, total: 20_000n, createTime: order.createTime });
  expect(after!.updateTime).toBeGreaterThan(order.updateTime);
});
