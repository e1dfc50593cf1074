import { randomUUID } from "node:crypto";
import { afterAll, expect, test } from "vitest";
import { createTestDatabase, execute } from "../support/databases.ts";
import { openDatabase, reasonOf } from "../support/pools.ts";
import { createRows, orderDraft } from "../support/rows.ts";

// What the schema refuses although no statement of ours asks for it.

const { connection, ...database } = await createTestDatabase();
afterAll(() => database[Symbol.asyncDispose]());

const db = (): ReturnType<typeof openDatabase> => openDatabase(connection);

/** What a change of rows past the service is refused with. */
async function refusalOf(text: string, values: unknown[]): Promise<string> {
  const error = await reasonOf(execute(connection, text, values));
  const { code, constraint } = error as { readonly code?: string; readonly constraint?: string };
  return `${code} ${constraint}`;
}

async function givenOrder() {
  const rows = createRows(db());
  const [user, product] = [await rows.user(), await rows.product()];
  return { rows, user, product, order: await rows.order(orderDraft(user.id, product.id)) };
}

test.each([
  ["an item of no piece", "quantity = 0", "order_items_quantity_check"],
  ["an item of less than no piece", "quantity = -1", "order_items_quantity_check"],
  ["an item below no price", "unit_price = -0.0001", "order_items_unit_price_check"],
])("there is not %s", async (_, change, constraint) => {
  const { order } = await givenOrder();

  const refused = await refusalOf(`update order_items set ${change} where order_id = $1`, [order.id]);

  expect(refused).toBe(`23514 ${constraint}`);
});

test.each([
  ["an order below no total", "total = -0.0001", "orders_total_check"],
  ["an order in a state that is none", "status = 'lost'", "orders_status_check"],
])("there is not %s", async (_, change, constraint) => {
  const { order } = await givenOrder();

  const refused = await refusalOf(`update orders set ${change} where id = $1`, [order.id]);

  expect(refused).toBe(`23514 ${constraint}`);
});

test("there is not a product of which less than nothing is in stock", async () => {
  const { product } = await givenOrder();

  const refused = await refusalOf("update products set on_hand = -1 where id = $1", [product.id]);

  expect(refused).toBe("23514 products_on_hand_check");
});

test("there are not two users of one email", async () => {
  const { rows, user } = await givenOrder();
  const other = await rows.user();

  const refused = await refusalOf("update users set email = $1 where id = $2", [user.email, other.id]);

  expect(refused).toBe("23505 users_email_key");
});

test("there are not two events under one key, or of one version", async () => {
  const { order } = await givenOrder();
  const insert = `insert into order_events (order_id, version, status, idempotency_key)
    values ($1, $2, 'confirmed', $3)`;
  const key = randomUUID();
  await execute(connection, insert, [order.id, 2, key]);

  const refused = [
    await refusalOf(insert, [order.id, 3, key]),
    await refusalOf(insert, [order.id, 2, randomUUID()]),
  ];

  expect(refused).toEqual(["23505 order_events_idempotency_key_key", "23505 order_events_pkey"]);
});

test("there are not orders without their user, and not items without their order", async () => {
  const nothing = randomUUID();
  const { order } = await givenOrder();

  const refused = [
    await refusalOf("update orders set user_id = $1 where id = $2", [nothing, order.id]),
    await refusalOf("update order_items set order_id = $1 where order_id = $2", [nothing, order.id]),
  ];

  expect(refused).toEqual(["23503 orders_user_id_fkey", "23503 order_items_order_id_fkey"]);
});

test("the orders of a user go with the user, and with them their items", async () => {
  const { user, order } = await givenOrder();

  await execute(connection, "delete from users where id = $1", [user.id]);

  const left = `select id from orders where id = $1
    union all select order_id from order_items where order_id = $1`;
  expect(await execute(connection, left, [order.id])).toEqual([]);
});
