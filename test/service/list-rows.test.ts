import { randomUUID } from "node:crypto";
import { afterAll, expect, test } from "vitest";
import { within } from "../../src/db/engine/database.ts";
import { adjustStock } from "../../src/db/products/adjust-stock.ts";
import type { Cursor } from "../../src/db/cursor.ts";
import { listProducts } from "../../src/db/products/products.ts";
import { listOrderEvents, listOrders, type OrderFilter } from "../../src/db/orders/orders.ts";
import { listUsers } from "../../src/db/users/users.ts";
import { createTestDatabase, execute } from "../support/databases.ts";
import { deadline, openDatabase, reasonOf } from "../support/pools.ts";
import { call, createRows, orderDraft } from "../support/rows.ts";

const { connection, ...database } = await createTestDatabase();
afterAll(() => database[Symbol.asyncDispose]());

/** Before all that is listed. */
const start: Cursor = { createTime: 253_402_300_799_000_000n, id: "ffffffff-ffff-ffff-ffff-ffffffffffff" };

type Read = (after: Cursor) => Promise<readonly Cursor[]>;

/** The ids of a list that is read in pages of one row to its end, or until there are far too many. */
async function readToEnd(read: Read): Promise<string[]> {
  const ids = [];
  for (let after = start; ids.length < 20;) {
    const [next] = await read(after);
    if (!next) break;
    ids.push(next.id);
    after = next;
  }
  return ids;
}

test("every list comes to its end in pages of one, each row once and the newest first", async () => {
  const db = openDatabase(connection);
  const rows = createRows(db);
  const users = [await rows.user(), await rows.user(), await rows.user()];
  const products = [await rows.product(), await rows.product(), await rows.product()];
  const orders: { id: string }[] = [];
  for (let n = 0; n < 3; n++) orders.push(await rows.order(orderDraft(users[0]!.id, products[0]!.id)));
  // Two of each in one instant: the id decides.
  for (const table of ["users", "products", "orders"])
    await execute(
      connection,
      `update ${table} set create_time = (select min(create_time) from ${table})
      where create_time < (select max(create_time) from ${table})`,
    );
  const owned: Partial<OrderFilter>[] = [
    {},
    { userId: users[0]!.id },
    { status: "pending" },
    { userId: users[0]!.id, status: "pending" },
  ];
  const filters = owned.flatMap((filter) => [filter, { ...filter, withItems: true }]);
  const ends: boolean[] = [];
  const readOrders =
    (filter: Partial<OrderFilter>): Read =>
    async (after) => {
      const all = { userId: undefined, status: undefined, withItems: false, ...filter };
      const page = await listOrders(within(db, deadline()), all, after, 1);
      if (page.orders.length > 0) ends.push(page.more);
      return page.orders;
    };

  const read = [
    await readToEnd((after) => listUsers(within(db, deadline()), after, 1)),
    await readToEnd((after) => listProducts(within(db, deadline()), after, 1)),
  ];
  for (const filter of filters) read.push(await readToEnd(readOrders(filter)));

  const newestFirst = ([first, second, last]: { id: string }[]): string[] => [
    last!.id,
    ...[first!.id, second!.id].toSorted().toReversed(),
  ];
  expect(read).toEqual([users, products, ...filters.map(() => orders)].map(newestFirst));
  expect(ends).toEqual(filters.flatMap(() => [true, true, false]));
});

test("the events of an order that does not exist are not an empty list", async () => {
  const db = openDatabase(connection);

  const failed = await reasonOf(listOrderEvents(within(db, deadline()), randomUUID(), 0n, 10));

  expect(failed).toMatchObject({ kind: "not_found", reason: "ORDER_NOT_FOUND" });
});

test("the movements of a product that nobody has ordered add up to its stock", async () => {
  const db = openDatabase(connection);
  const product = await createRows(db).product(7n);

  await adjustStock(within(db, deadline()), [{ ...call(), productId: product.id, delta: -3n }]);

  const sum = "select sum(delta)::int4 as sum from stock_movements where product_id = $1";
  expect(await execute(connection, sum, [product.id])).toEqual([{ sum: 4 }]);
});
