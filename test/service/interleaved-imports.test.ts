import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { changeStatuses, changeStatusesAtomically } from "../../src/db/orders/change-statuses.ts";
import { beginImport } from "../../src/db/orders/import-attempts.ts";
import { importItems } from "../../src/db/orders/import-items.ts";
import { importOrders } from "../../src/db/orders/import-orders.ts";
import { getOrders } from "../../src/db/orders/orders.ts";
import { holdRow, openStage, queueBehind, untilWaiting } from "../support/interleavings.ts";
import { openDatabase } from "../support/pools.ts";
import { createRows, itemDraft, orderDraft, reasons, statusChange } from "../support/rows.ts";

// Chunks of imports that have begun, and then wait for a row.

const { connection, openActor } = await openStage();

async function given() {
  const rows = createRows(openDatabase(connection));
  const [user, product] = [await rows.user(), await rows.product(10n)];
  const order = await rows.order(orderDraft(user.id, product.id, 2));
  const item = () => itemDraft(order.id, product.id, { quantity: 3 });
  const onHand = async () => Number((await rows.read(product)).onHand);
  const read = async () => (await getOrders(openActor().run, [order.id], true))[0]!;
  const move = (status: "confirmed" | "cancelled") => ({ ...statusChange({ orderId: order.id }), status });
  return { rows, user, product, order, item, onHand, read, move, ada: openActor(), eve: openActor() };
}

test("a cancellation that waited while an item was added returns the stock of that item, too", async () => {
  const { order, item, onHand, read, move, ada, eve } = await given();

  const [added, cancelled] = await queueBehind(connection, await holdRow(connection, "orders", order.id), [
    () => importItems(ada.run, [item()]),
    () => changeStatuses(eve.run, [move("cancelled")]),
  ]);

  expect([added, reasons(cancelled)]).toEqual([["inserted"], ["ok"]]);
  expect(await read()).toMatchObject({ status: "cancelled", itemCount: 2, version: 3n });
  expect(await onHand()).toBe(10);
});

test("a batch of cancellations that waited while an item was added to one cancels all, whole", async () => {
  const { rows, user, product, order, item, onHand, ada, eve } = await given();
  const other = await rows.order(orderDraft(user.id, product.id, 4));
  const cancel = ({ id: orderId }: { readonly id: string }) => ({
    ...statusChange({ orderId }),
    status: "cancelled" as const,
  });

  const [, cancelled] = await queueBehind(connection, await holdRow(connection, "orders", order.id), [
    () => importItems(ada.run, [item()]),
    () => changeStatusesAtomically(eve.run, [cancel(order), cancel(other)]),
  ]);

  expect(cancelled).toMatchObject([{ status: "cancelled" }, { status: "cancelled" }]);
  expect(await onHand()).toBe(10);
});

test("an item that waited for the cancellation of its order is refused", async () => {
  const { order, item, onHand, move, ada, eve } = await given();

  const [cancelled, added] = await queueBehind(connection, await holdRow(connection, "orders", order.id), [
    () => changeStatuses(ada.run, [move("cancelled")]),
    () => importItems(eve.run, [item()]),
  ]);

  expect([reasons(cancelled), reasons(added)]).toEqual([["ok"], ["FINAL_ORDER"]]);
  expect(await onHand()).toBe(10);
});

test("an item that waited for another change of its order is added to what that left", async () => {
  const { order, item, onHand, read, move, ada, eve } = await given();

  const [, added] = await queueBehind(connection, await holdRow(connection, "orders", order.id), [
    () => changeStatuses(ada.run, [move("confirmed")]),
    () => importItems(eve.run, [item()]),
  ]);

  expect(added).toEqual(["inserted"]);
  expect(await read()).toMatchObject({ status: "confirmed", itemCount: 2, version: 3n, total: 50_000n });
  expect(await onHand()).toBe(5);
});

test("an item that waited for its own first attempt existed, also where its order is final now", async () => {
  const { order, item, onHand, move, ada, eve } = await given();
  const draft = item();

  const answers = await queueBehind(connection, await holdRow(connection, "orders", order.id), [
    () => importItems(ada.run, [draft]),
    () => changeStatuses(openActor().run, [move("cancelled")]),
    () => importItems(eve.run, [draft]),
  ]);

  expect([answers[0], answers[2]]).toEqual([["inserted"], ["existed"]]);
  expect(await onHand()).toBe(10);
});

test("items that waited for each other have positions and stock of their own", async () => {
  const { order, item, onHand, read, ada, eve } = await given();

  const [first, second] = await queueBehind(connection, await holdRow(connection, "orders", order.id), [
    () => importItems(ada.run, [item()]),
    () => importItems(eve.run, [item(), item()]),
  ]);

  // 2 of 10 are with the order: there are two threes more, and no third one.
  expect([...first, ...reasons(second).map((each) => (each === "ok" ? "inserted" : each))]).toEqual([
    "inserted",
    "inserted",
    "INSUFFICIENT_STOCK",
  ]);
  expect((await read()).items!.map(({ quantity }) => quantity)).toEqual([2, 3, 3]);
  expect(await onHand()).toBe(2);
});

test.each(["orders", "items"] as const)(
  "a chunk of %s that waits does not hold up the next attempt at its import, and then does nothing",
  async (kind) => {
    const { user, product, item, onHand, ada, eve } = await given();
    const importId = randomUUID();
    const attempt = await beginImport(ada.run, importId, 2);
    const write = {
      orders: () => importOrders(ada.run, [orderDraft(user.id, product.id)], attempt),
      items: () => importItems(ada.run, [item()], attempt),
    }[kind];
    const held = await holdRow(connection, "products", product.id);
    const late = write().catch((error: unknown) => error);
    await untilWaiting(connection, 1);

    const next = await beginImport(eve.run, importId, 2);
    await held.end();

    expect(next.attemptId).not.toBe(attempt.attemptId);
    expect(await late).toMatchObject({ reason: "IMPORT_SUPERSEDED" });
    expect(await onHand()).toBe(8);
  },
);
