import { randomUUID } from "node:crypto";
import { afterAll, expect, test } from "vitest";
import { adjustStock } from "../../src/db/products/adjust-stock.ts";
import { within, type Database } from "../../src/db/engine/database.ts";
import { importItems, type ItemDraft } from "../../src/db/orders/import-items.ts";
import { getOrders } from "../../src/db/orders/orders.ts";
import { createOrders } from "../../src/db/orders/place-orders.ts";
import type { Deadline } from "../../src/db/engine/deadline.ts";
import { e4Max } from "../../src/db/engine/pg-types.ts";
import { createTestDatabase } from "../support/databases.ts";
import { deadline, openDatabase } from "../support/pools.ts";
import { call, createRows, itemDraft, orderDraft, reasons } from "../support/rows.ts";

// What requests of one batch do to each other, which calls that arrive together do only now and then.

const { connection, ...database } = await createTestDatabase();
afterAll(() => database[Symbol.asyncDispose]());

/** A batch that is decided in rounds without end fails. */
const bounded = (): Deadline => deadline(AbortSignal.timeout(5_000));

const limit = 1_000_000_000_000n;

async function adjust(db: Database, productId: string, deltas: readonly bigint[]): Promise<string[]> {
  const set = deltas.map((delta) => ({ ...call(), productId, delta }));
  return reasons(await adjustStock(within(db, bounded()), set));
}

test("the orders of a batch that ask for more than there is are served in the order of arrival", async () => {
  const db = openDatabase(connection);
  const rows = createRows(db);
  const [{ id: userId }, product] = [await rows.user(), await rows.product(5n)];

  const set = [3, 2, 1].map((quantity) => orderDraft(userId, product.id, quantity));
  const outcomes = await createOrders(within(db, bounded()), set);

  expect(reasons(outcomes)).toEqual(["ok", "ok", "INSUFFICIENT_STOCK"]);
  expect((await rows.read(product)).onHand).toBe(0n);
});

test("an order that is too large by itself takes nothing from those behind it", async () => {
  const db = openDatabase(connection);
  const rows = createRows(db);
  const [{ id: userId }, product] = [await rows.user(), await rows.product(5n)];

  const set = [6, 5].map((quantity) => orderDraft(userId, product.id, quantity));
  const outcomes = await createOrders(within(db, bounded()), set);

  expect(reasons(outcomes)).toEqual(["INSUFFICIENT_STOCK", "ok"]);
});

test("an order without a user and without a product names the user first", async () => {
  const db = openDatabase(connection);

  const outcomes = await createOrders(within(db, bounded()), [orderDraft(randomUUID(), randomUUID())]);

  expect(reasons(outcomes)).toEqual(["USER_NOT_FOUND"]);
});

test("the additions of a batch lead up to the limit of a stock and not above it", async () => {
  const db = openDatabase(connection);
  const rows = createRows(db);
  const product = await rows.product(0n);

  const said = await adjust(db, product.id, [600_000_000_000n, 600_000_000_000n, 400_000_000_000n]);

  expect(said).toEqual(["ok", "STOCK_LIMIT", "ok"]);
  expect((await rows.read(product)).onHand).toBe(limit);
});

test("a stock is added to up to its limit and not by one piece more", async () => {
  const db = openDatabase(connection);
  const product = await createRows(db).product(limit - 1n);

  const said = [await adjust(db, product.id, [2n]), await adjust(db, product.id, [1n])];

  expect(said).toEqual([["STOCK_LIMIT"], ["ok"]]);
});

test("the takings of a batch take all that is there and no more, in the order of arrival", async () => {
  const db = openDatabase(connection);
  const rows = createRows(db);
  const product = await rows.product(5n);

  const said = await adjust(db, product.id, [-3n, -3n, -2n]);

  expect(said).toEqual(["ok", "INSUFFICIENT_STOCK", "ok"]);
  expect((await rows.read(product)).onHand).toBe(0n);
});

/** An order of a user, with one item. */
async function givenOrder(db: Database, change: Parameters<typeof orderDraft>[3] = {}) {
  const rows = createRows(db);
  const [{ id: userId }, product] = [await rows.user(), await rows.product(1_000_000n)];
  return { rows, product, order: await rows.order(orderDraft(userId, product.id, 1, change)) };
}

test("the items of a batch that ask for more than there is are served in the order of arrival", async () => {
  const db = openDatabase(connection);
  const { rows, order } = await givenOrder(db);
  const scarce = await rows.product(5n);

  const set = [3, 3, 2].map((quantity) => itemDraft(order.id, scarce.id, { quantity }));
  const outcomes = await importItems(within(db, bounded()), set);

  expect(reasons(outcomes)).toEqual(["ok", "INSUFFICIENT_STOCK", "ok"]);
  expect((await rows.read(scarce)).onHand).toBe(0n);
  const [after] = await getOrders(within(db, deadline()), [order.id], true);
  expect(after!.items!.map(({ quantity }) => quantity)).toEqual([1, 3, 2]);
});

test("the items of a batch fill an order and its total to the last, and not above", async () => {
  const db = openDatabase(connection);
  const [{ order: full, product }, { order: rich }] = [await givenOrder(db), await givenOrder(db)];
  const room = Array.from({ length: 1_000 }, () => itemDraft(full.id, product.id));
  const costing = (unitPrice: bigint): ItemDraft => itemDraft(rich.id, product.id, { unitPrice });
  const rest = e4Max - rich.total;

  const filled = await importItems(within(db, bounded()), room);
  const paid = await importItems(within(db, bounded()), [rest - 1n, 2n, 1n].map(costing));
  const later = await importItems(within(db, bounded()), [itemDraft(full.id, product.id), costing(1n)]);

  expect([reasons(filled.slice(-2)), reasons(paid), reasons(later)]).toEqual([
    ["ok", "TOO_MANY_ITEMS"],
    ["ok", "TOTAL_LIMIT", "ok"],
    ["TOO_MANY_ITEMS", "TOTAL_LIMIT"],
  ]);
  const [after] = await getOrders(within(db, deadline()), [full.id], true);
  expect([after!.itemCount, after!.items!.length]).toEqual([1_000, 1_000]);
});

test.each<[string, Partial<ItemDraft>]>([
  ["another price", { unitPrice: 20_000n }],
  ["another quantity", { quantity: 2 }],
  ["another product", {}],
])("an item that is there is refused with %s under its id", async (what, change) => {
  const db = openDatabase(connection);
  const { rows, product, order } = await givenOrder(db);
  const item = itemDraft(order.id, product.id);
  await importItems(within(db, deadline()), [item]);
  const other = what === "another product" ? { productId: (await rows.product()).id } : change;

  const outcomes = [
    await importItems(within(db, deadline()), [item]),
    await importItems(within(db, deadline()), [{ ...item, ...other }]),
  ];

  expect(outcomes[0]).toEqual(["existed"]);
  expect(reasons(outcomes[1]!)).toEqual(["REQUEST_ID_REUSED"]);
});
