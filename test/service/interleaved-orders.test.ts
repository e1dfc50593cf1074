import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { changeStatuses, changeStatusesAtomically } from "../../src/db/orders/change-statuses.ts";
import { getOrders } from "../../src/db/orders/orders.ts";
import { createOrders } from "../../src/db/orders/place-orders.ts";
import { adjustStock } from "../../src/db/products/adjust-stock.ts";
import { execute } from "../support/databases.ts";
import { hold, holdRow, openStage, queueBehind } from "../support/interleavings.ts";
import { openDatabase } from "../support/pools.ts";
import { newKey } from "../support/refusable.ts";
import { createRows, orderDraft, reasons, statusChange } from "../support/rows.ts";

// Statements that have begun, and then wait for a row: what they find behind it, and what they knew before.

const { connection, openActor } = await openStage();

async function given(onHand = 10n) {
  const rows = createRows(openDatabase(connection));
  const [user, product] = [await rows.user(), await rows.product(onHand)];
  const place = (quantity = 1) => rows.order(orderDraft(user.id, product.id, quantity));
  const onHandNow = async () => Number((await rows.read(product)).onHand);
  return { rows, user, product, place, onHandNow, ada: openActor(), eve: openActor() };
}

/** A change under a request_id of its caller's. */
const keyed = (orderId: string, status: "confirmed" | "cancelled", key = newKey()) => {
  const { id: idempotencyKey, ...rest } = key;
  return { ...statusChange({ orderId, idempotencyKey }), ...rest, status };
};

test("a repeated status change that waited for its first attempt is answered by that one", async () => {
  const { place, ada, eve } = await given();
  const { id } = await place();
  const change = keyed(id, "confirmed");

  const [first, second] = await queueBehind(connection, await holdRow(connection, "orders", id), [
    () => changeStatuses(ada.run, [change]),
    () => changeStatuses(eve.run, [change]),
  ]);

  expect(first).toMatchObject([{ id, status: "confirmed", version: 2n }]);
  expect(second).toEqual(first);
});

test("a repeated batch of status changes that waited for its first attempt is answered by it", async () => {
  const { place, ada, eve } = await given();
  const ids = [(await place()).id, (await place()).id].toSorted() as [string, string];
  const changes = ids.map((id) => keyed(id, "confirmed"));

  const [first, second] = await queueBehind(connection, await holdRow(connection, "orders", ids[0]), [
    () => changeStatusesAtomically(ada.run, changes),
    () => changeStatusesAtomically(eve.run, changes),
  ]);

  expect(first).toMatchObject(ids.map((id) => ({ id, status: "confirmed", version: 2n })));
  expect(second).toEqual(first);
});

test("a batch of status changes that waited for another change of one order is refused whole", async () => {
  const { place, ada, eve } = await given();
  const ids = [(await place()).id, (await place()).id].toSorted() as [string, string];

  const [single, batch] = await queueBehind(connection, await holdRow(connection, "orders", ids[0]), [
    () => changeStatuses(ada.run, [keyed(ids[0], "cancelled")]),
    () =>
      changeStatusesAtomically(
        eve.run,
        ids.map((id) => keyed(id, "confirmed")),
      ),
  ]);

  expect([...reasons(single), ...reasons([batch])]).toEqual(["ok", "FORBIDDEN_STATUS_CHANGE"]);
  const orders = await getOrders(ada.run, ids, false);
  expect(new Set(orders.map(({ version }) => version))).toEqual(new Set([1n, 2n]));
});

test("a status change with an etag that waited for another change is refused by what that left", async () => {
  const { place, ada, eve } = await given();
  const { id } = await place();
  const change = { ...keyed(id, "cancelled"), version: 1n };

  const [, refused] = await queueBehind(connection, await holdRow(connection, "orders", id), [
    () => changeStatuses(ada.run, [keyed(id, "confirmed")]),
    () => changeStatuses(eve.run, [change]),
  ]);

  expect(refused).toMatchObject([{ reason: "ETAG_MISMATCH", facts: { metadata: { etag: '"2"' } } }]);
});

test("times of an order do not lie before those of a change that its own has waited for", async () => {
  const { place, ada } = await given();
  const { id } = await place();
  const later = "update orders set update_time = now() + interval '1 hour' where id = $1";

  await queueBehind(connection, await hold(connection, later, [id]), [
    () => changeStatuses(ada.run, [keyed(id, "confirmed")]),
  ]);

  const times = `select o.update_time > now() + interval '59 minutes' as "order",
      e.create_time = o.update_time as event
    from orders o join order_events e on e.order_id = o.id and e.version = 2 where o.id = $1`;
  expect(await execute(connection, times, [id])).toEqual([{ order: true, event: true }]);
});

test("a repeated order that waited for its first attempt, which took the last piece, is that order", async () => {
  const { user, product, onHandNow, ada, eve } = await given(1n);
  const draft = orderDraft(user.id, product.id, 1, newKey());

  const [first, second] = await queueBehind(connection, await holdRow(connection, "products", product.id), [
    () => createOrders(ada.run, [draft]),
    () => createOrders(eve.run, [draft]),
  ]);

  expect([...reasons(first), ...reasons(second)]).toEqual(["ok", "ok"]);
  expect(second).toMatchObject([{ id: draft.id }]);
  expect(await onHandNow()).toBe(0);
});

test("a repeated order that waited, with stock for two, takes it once", async () => {
  const { user, product, onHandNow, ada, eve } = await given(2n);
  const draft = orderDraft(user.id, product.id, 1, newKey());

  const answers = await queueBehind(connection, await holdRow(connection, "products", product.id), [
    () => createOrders(ada.run, [draft]),
    () => createOrders(eve.run, [draft]),
  ]);

  expect(answers.flatMap(reasons)).toEqual(["ok", "ok"]);
  expect(await onHandNow()).toBe(1);
});

test.each([
  { before: 5n, found: 2, said: ["INSUFFICIENT_STOCK"], left: 2 },
  { before: 2n, found: 5, said: ["ok"], left: 2 },
])(
  "an order of 3 that began with $before in stock, and waited until there were $found, decides by these",
  async ({ before, found, said, left }) => {
    const { user, product, onHandNow, ada } = await given(before);
    const adjust = await hold(connection, "update products set on_hand = $2 where id = $1", [
      product.id,
      found,
    ]);

    const [outcome] = await queueBehind(connection, adjust, [
      () => createOrders(ada.run, [orderDraft(user.id, product.id, 3)]),
    ]);

    expect(reasons(outcome)).toEqual(said);
    expect(await onHandNow()).toBe(left);
  },
);

test("the last pieces go to one of two orders, and the other one is told what is left", async () => {
  const { user, product, onHandNow, ada, eve } = await given(3n);
  const drafts = [orderDraft(user.id, product.id, 2), orderDraft(user.id, product.id, 2)] as const;

  const [first, second] = await queueBehind(connection, await holdRow(connection, "products", product.id), [
    () => createOrders(ada.run, [drafts[0]]),
    () => createOrders(eve.run, [drafts[1]]),
  ]);

  expect(reasons(first)).toEqual(["ok"]);
  const short = { product_id: product.id, on_hand: "1", requested: "2" };
  expect(second).toMatchObject([{ reason: "INSUFFICIENT_STOCK", facts: { metadata: short } }]);
  expect(await onHandNow()).toBe(1);
});

test("a repeated adjustment that waited for its first attempt, which took the last piece, happens once", async () => {
  const { product, onHandNow, ada, eve } = await given(1n);
  const taking = { ...newKey(), productId: product.id, delta: -1n };

  const answers = await queueBehind(connection, await holdRow(connection, "products", product.id), [
    () => adjustStock(ada.run, [taking]),
    () => adjustStock(eve.run, [taking]),
  ]);

  expect(answers.flatMap(reasons)).toEqual(["ok", "ok"]);
  expect(await onHandNow()).toBe(0);
});

test("adjustments that waited for each other add up", async () => {
  const { product, onHandNow, ada, eve } = await given(1n);
  const bring = (delta: bigint) => ({ ...newKey(), id: randomUUID(), productId: product.id, delta });

  await queueBehind(connection, await holdRow(connection, "products", product.id), [
    () => adjustStock(ada.run, [bring(3n)]),
    () => adjustStock(eve.run, [bring(-4n)]),
  ]);

  expect(await onHandNow()).toBe(0);
});
