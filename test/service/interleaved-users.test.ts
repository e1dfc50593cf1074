import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { changeStatuses } from "../../src/db/orders/change-statuses.ts";
import { getOrders } from "../../src/db/orders/orders.ts";
import { createOrders } from "../../src/db/orders/place-orders.ts";
import { deleteUser, updateUser } from "../../src/db/users/change-users.ts";
import { createUsers, getUsers } from "../../src/db/users/users.ts";
import { execute } from "../support/databases.ts";
import { hold, holdRow, openStage, queueBehind, untilWaiting } from "../support/interleavings.ts";
import { openDatabase } from "../support/pools.ts";
import { newKey } from "../support/refusable.ts";
import { createRows, orderDraft, reasons, statusChange, userDraft } from "../support/rows.ts";

// Statements about users that have begun, and then wait for a row.

const { connection, openActor } = await openStage();

async function given() {
  const rows = createRows(openDatabase(connection));
  const [user, product] = [await rows.user(), await rows.product(10n)];
  const order = (quantity = 1) => orderDraft(user.id, product.id, quantity);
  const onHand = async () => Number((await rows.read(product)).onHand);
  const heldProduct = () => holdRow(connection, "products", product.id);
  return { rows, user, product, order, onHand, heldProduct, ada: openActor(), eve: openActor() };
}

const deletion = (userId: string, force: boolean) => {
  const { id: changeId, ...key } = newKey();
  return { ...key, changeId, userId, version: undefined, force };
};

const renaming = (userId: string, change: { readonly name?: string; readonly email?: string }) => {
  const { id: changeId, ...key } = newKey();
  return { ...key, changeId, userId, version: undefined, name: undefined, email: undefined, ...change };
};

test("an order whose user is deleted while it waits is refused, and takes nothing", async () => {
  const { user, order, onHand, heldProduct, ada, eve } = await given();
  const held = await heldProduct();
  const placed = createOrders(ada.run, [order()]);
  await untilWaiting(connection, 1);

  await deleteUser(eve.run, deletion(user.id, false));
  await held.end();

  expect(reasons(await placed)).toEqual(["USER_NOT_FOUND"]);
  expect(await onHand()).toBe(10);
});

test("a user is not deleted without force when an order was placed while the deletion waited", async () => {
  const { user, order, onHand, ada, eve } = await given();
  const { id } = order();
  const placing = `insert into orders
      (id, user_id, status, currency_code, total, item_count, reserves_stock, fingerprint)
    values ($1, $2, 'pending', 'EUR', 1, 1, false, $1)`;

  const [refused] = await queueBehind(connection, await hold(connection, placing, [id, user.id]), [
    () => deleteUser(eve.run, deletion(user.id, false)),
  ]);

  expect(reasons([refused])).toEqual(["USER_HAS_ORDERS"]);
  expect(await getOrders(ada.run, [id], false)).toHaveLength(1);
  expect(await onHand()).toBe(10);
});

test("a deletion takes the orders with it that were placed while it waited, and returns their stock", async () => {
  const { rows, user, order, onHand, heldProduct, ada, eve } = await given();
  await rows.order(order(2));
  const other = await rows.product(5n);
  const held = await heldProduct();
  const deleted = deleteUser(eve.run, deletion(user.id, true));
  await untilWaiting(connection, 1);

  const placed = await createOrders(ada.run, [orderDraft(user.id, other.id, 3)]);
  await held.end();
  await deleted;

  expect(reasons(placed)).toEqual(["ok"]);
  expect([await onHand(), Number((await rows.read(other)).onHand)]).toEqual([10, 5]);
  expect(eve.retries).toEqual(["40001"]);
  const left = "select order_id from order_events e where order_id = any($1) and refusal is null";
  expect(await execute(connection, left, [placed.map((each) => "id" in each && each.id)])).toEqual([]);
});

test("a deletion and the cancellation of an order that it deletes do not wait for each other", async () => {
  const { rows, user, order, onHand, heldProduct, ada, eve } = await given();
  const { id: orderId } = await rows.order(order(2));

  const [deleted, cancelled] = await queueBehind(connection, await heldProduct(), [
    () => deleteUser(ada.run, deletion(user.id, true)),
    () => changeStatuses(eve.run, [{ ...statusChange({ orderId }), status: "cancelled" as const }]),
  ]);

  expect([deleted, ...reasons(cancelled)]).toEqual([undefined, "ORDER_NOT_FOUND"]);
  expect([await onHand(), ada.retries, eve.retries]).toEqual([10, [], []]);
});

test("an order and the deletion of its user do not wait for each other", async () => {
  const { rows, user, order, onHand, heldProduct, ada, eve } = await given();
  await rows.order(order(2));

  const [placed, deleted] = await queueBehind(connection, await heldProduct(), [
    () => createOrders(ada.run, [order(3)]),
    () => deleteUser(eve.run, deletion(user.id, true)),
  ]);

  expect([...reasons(placed), deleted]).toEqual(["ok", undefined]);
  expect([await onHand(), ada.retries, eve.retries]).toEqual([10, [], ["40001"]]);
});

test.each([
  ["commit", "EMAIL_TAKEN"],
  ["rollback", "ok"],
] as const)("a user whose email another one is about to get waits for its %s: %s", async (how, said) => {
  const { ada } = await given();
  const draft = userDraft({ refusalMs: 1_000 });
  const rival = `insert into users (id, email, name, password_hash, fingerprint)
    values (gen_random_uuid(), $1, 'Eve', '', gen_random_uuid())`;
  const held = await hold(connection, rival, [draft.email]);
  const creation = createUsers(ada.run, [draft]);
  await untilWaiting(connection, 1);

  await held.end(how);

  expect(reasons(await creation)).toEqual([said]);
});

test("batches that create users with the same emails do not wait for each other", async () => {
  const { ada, eve } = await given();
  const [first, second, third] = ["a", "b", "c"].map((letter) => `${letter}-${randomUUID()}@example.com`);
  const drafts = (emails: readonly string[]) => emails.map((email) => userDraft({ email, refusalMs: 1_000 }));
  const rival = `insert into users (id, email, name, password_hash, fingerprint)
    values (gen_random_uuid(), $1, 'Eve', '', gen_random_uuid())`;
  const answers = await queueBehind(connection, await hold(connection, rival, [third]), [
    () => createUsers(ada.run, drafts([first!, third!, second!])),
    () => createUsers(eve.run, drafts([second!, first!])),
  ]);

  expect(answers.map(reasons)).toEqual([
    ["ok", "EMAIL_TAKEN", "ok"],
    ["EMAIL_TAKEN", "EMAIL_TAKEN"],
  ]);
  expect([ada.retries, eve.retries]).toEqual([[], []]);
});

test("changes of a user that waited for each other both stay, and a repeated one is made once", async () => {
  const { user, ada, eve } = await given();
  const [named, moved] = [
    renaming(user.id, { name: "Eve" }),
    renaming(user.id, { email: `${randomUUID()}@b.com` }),
  ];

  const [, , again] = await queueBehind(connection, await holdRow(connection, "users", user.id), [
    () => updateUser(ada.run, named),
    () => updateUser(eve.run, moved),
    () => updateUser(openActor().run, named),
  ]);

  const left = { id: user.id, name: "Eve", email: moved.email, version: 3n };
  expect(again).toMatchObject(left);
  expect(await getUsers(ada.run, [user.id])).toMatchObject([left]);
});

test("a change of a user that has become stale while it waited is refused", async () => {
  const { user, ada, eve } = await given();

  const [, refused] = await queueBehind(connection, await holdRow(connection, "users", user.id), [
    () => updateUser(ada.run, renaming(user.id, { name: "Eve" })),
    () => updateUser(eve.run, { ...renaming(user.id, { name: "Mallory" }), version: 1n }),
  ]);

  expect(reasons([refused])).toEqual(["ETAG_MISMATCH"]);
});
