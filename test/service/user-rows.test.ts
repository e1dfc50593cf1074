import { randomUUID } from "node:crypto";
import { afterAll, expect, test } from "vitest";
import { changeStatuses } from "../../src/db/orders/change-statuses.ts";
import { deleteUser, updateUser } from "../../src/db/users/change-users.ts";
import { within, type Database } from "../../src/db/engine/database.ts";
import { getUsers } from "../../src/db/users/users.ts";
import { createTestDatabase, execute } from "../support/databases.ts";
import { deadline, openDatabase, reasonOf } from "../support/pools.ts";
import { createRows, orderDraft } from "../support/rows.ts";

const { connection, ...database } = await createTestDatabase();
afterAll(() => database[Symbol.asyncDispose]());

type Change = Parameters<typeof deleteUser>[1] & Parameters<typeof updateUser>[1];

/** A change of a user, under an id of its own. */
const changeOf = (userId: string, rest: Partial<Change> = {}): Change => ({
  changeId: randomUUID(),
  fingerprint: randomUUID(),
  refusalMs: 0,
  userId,
  version: undefined,
  email: undefined,
  name: "Countess",
  force: false,
  ...rest,
});

const methods: readonly [string, (db: Database, change: Change) => Promise<unknown>][] = [
  ["changed", (db, change) => updateUser(within(db, deadline()), change)],
  ["deleted", (db, change) => deleteUser(within(db, deadline()), change)],
];

test.each(methods)("a user of another version is not %s", async (_, make) => {
  const db = openDatabase(connection);
  const user = await createRows(db).user();

  const failed = [
    await reasonOf(make(db, changeOf(user.id, { version: 2n }))),
    await reasonOf(make(db, changeOf(user.id, { version: 0n }))),
  ];

  const stale = expect.objectContaining({ kind: "aborted", reason: "ETAG_MISMATCH" });
  expect(failed).toEqual([stale, stale]);
  expect(await getUsers(within(db, deadline()), [user.id])).toEqual([user]);
});

test.each(methods)("a user is not %s by a repetition that asks for something else", async (_, make) => {
  const db = openDatabase(connection);
  const user = await createRows(db).user();
  const change = changeOf(user.id);
  await make(db, change);

  const failed = await reasonOf(make(db, { ...change, fingerprint: randomUUID() }));

  expect(failed).toMatchObject({ kind: "invalid", reason: "REQUEST_ID_REUSED" });
});

test.each(methods)("a user is %s when a call that was refused is judged anew", async (_, make) => {
  const db = openDatabase(connection);
  const user = await createRows(db).user();
  const change = changeOf(user.id, { version: 2n });
  await reasonOf(make(db, change));
  await updateUser(within(db, deadline()), changeOf(user.id, { name: "Lovelace" }));

  await make(db, change);

  const [now] = await getUsers(within(db, deadline()), [user.id]);
  expect(now?.name).not.toBe("Lovelace");
});

test("the deletion of a user returns no stock of orders that left it alone", async () => {
  const db = openDatabase(connection);
  const rows = createRows(db);
  const [{ id }, product] = [await rows.user(), await rows.product(10n)];
  await rows.order(orderDraft(id, product.id, 3, { reservesStock: false }));

  await deleteUser(within(db, deadline()), changeOf(id, { force: true }));

  expect(await rows.read(product)).toEqual(product);
});

test("the deletion of a user deletes the events of the orders", async () => {
  const db = openDatabase(connection);
  const rows = createRows(db);
  const [{ id }, other, product] = [await rows.user(), await rows.user(), await rows.product(10n)];
  const order = await rows.order(orderDraft(id, product.id));
  const kept = await rows.order(orderDraft(other.id, product.id));

  await deleteUser(within(db, deadline()), changeOf(id, { force: true }));

  const events = "select order_id as id from order_events where order_id = any($1::uuid[])";
  expect(await execute(connection, events, [[order.id, kept.id]])).toEqual([{ id: kept.id }]);
});

test("the deletion of a user returns the stock of confirmed orders", async () => {
  const db = openDatabase(connection);
  const rows = createRows(db);
  const [{ id }, product] = [await rows.user(), await rows.product(10n)];
  const order = await rows.order(orderDraft(id, product.id, 3));
  const step = { orderId: order.id, status: "confirmed", version: undefined } as const;
  const key = { idempotencyKey: randomUUID(), fingerprint: randomUUID(), refusalMs: 0 };
  await changeStatuses(within(db, deadline()), [{ ...step, ...key }]);

  await deleteUser(within(db, deadline()), changeOf(id, { force: true }));

  expect((await rows.read(product)).onHand).toBe(10n);
});
