import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import type { Database } from "../src/db/engine/database.ts";
import { createBatchers, type Batchers } from "../src/db/batchers.ts";
import type { Statement } from "../src/db/engine/statement.ts";
import { patient, settle } from "./support/batchers.ts";
import { call, orderDraft, userDraft, statusChange } from "./support/rows.ts";

/** Batchers to a database that never answers, and how many requests each statement had that it was sent. */
function openBatchers(coalesce = true) {
  const sent: number[] = [];
  const query = ({ text }: Statement<unknown>, values: readonly unknown[]): Promise<never> => {
    // Other parameters may stand in front of the requests' rows.
    const [, first = "1"] = /\bunnest\(\$(\d+)/.exec(text) ?? [];
    sent.push((values[Number(first) - 1] as unknown[]).length);
    return new Promise(() => {});
  };
  const db = { engine: "postgresql", query } as unknown as Database;
  return { sent, batchers: createBatchers(db, { coalesce }) };
}

const id = randomUUID();
const attempt = (accountId: string) => ({ accountId, callerId: undefined, delaysMs: [0], forgetMs: 1 });
const failure = (callerId: string) => ({ callerId, failuresMax: 1, windowMs: 1 });
const movement = (productId: string) => ({ ...call(), productId, delta: 1n });
/** An order that leaves the stock alone, and so locks nothing of others. */
const apart = (change: Parameters<typeof orderDraft>[3] = {}) =>
  orderDraft(id, id, 1, { reservesStock: false, ...change });
const large = () => {
  const [item] = orderDraft(id, id).items;
  const items = Array.from({ length: 700 }, () => ({ ...item!, id: randomUUID() }));
  return apart({ items });
};

type Send = (batchers: Batchers) => Promise<unknown>;

/** Sends these in one turn of the event loop, and then the others when they are under way. */
async function send(batchers: Batchers, first: readonly Send[], then: readonly Send[] = []): Promise<void> {
  for (const each of first) void each(batchers);
  await settle();
  for (const each of then) void each(batchers);
  await settle();
}

test.each<[string, Send]>([
  ["creations of one user", (batchers) => batchers.createUser(userDraft({ id }), patient())],
  ["creations of one order", (batchers) => batchers.createOrder(apart({ id }), patient())],
  ["changes of one order", (batchers) => batchers.changeStatus(statusChange({ orderId: id }), patient())],
  [
    "changes under one key",
    (batchers) => batchers.changeStatus(statusChange({ idempotencyKey: id }), patient()),
  ],
  ["adjustments under one id", (batchers) => batchers.adjustStock({ ...movement(id), id }, patient())],
  ["attempts on one account", (batchers) => batchers.reserveAttempt(attempt(id), patient())],
])("two %s are not under way together", async (_, make) => {
  const { sent, batchers } = openBatchers();

  await send(batchers, [make, make], [make]);

  expect(sent).toEqual([1]);
});

test.each<[string, Send]>([
  ["orders of one product", (batchers) => batchers.createOrder(orderDraft(id, id), patient())],
  ["adjustments of one product", (batchers) => batchers.adjustStock(movement(id), patient())],
  ["successes of one account", (batchers) => batchers.clearAttempts(id, patient())],
  ["failures of one caller", (batchers) => batchers.countFailure(failure(id), patient())],
])("%s share a batch, and are in no two at once", async (_, make) => {
  const { sent, batchers } = openBatchers();

  await send(batchers, [make, make], [make, make]);

  expect(sent).toHaveLength(1);
});

test("orders that leave the stock alone are in two batches at once, and in no third one", async () => {
  const { sent, batchers } = openBatchers();
  const make: Send = (each) => each.createOrder(apart(), patient());

  await send(batchers, [make, make], [make, make]);
  await send(batchers, [make, make]);

  expect(sent).toEqual([2, 2]);
});

test("a batch of orders has up to 1280 lines, and one of anything up to 256 requests", async () => {
  const [orders, users] = [openBatchers(), openBatchers()];

  await send(orders.batchers, [
    (batchers) => batchers.createOrder(large(), patient()),
    (batchers) => batchers.createOrder(large(), patient()),
  ]);
  await send(
    users.batchers,
    Array.from({ length: 300 }, (): Send => (batchers) => batchers.getUser(randomUUID(), patient())),
  );

  expect(orders.sent).toEqual([1, 1]);
  expect(users.sent).toEqual([256]);
});

test("calls that read one row ask for it once, and none waits where calls are not to share round trips", async () => {
  const [shared, single] = [openBatchers(), openBatchers(false)];
  const read: Send = (batchers) => batchers.getProduct(id, patient());
  const write: Send = (batchers) => batchers.adjustStock(movement(id), patient());

  await send(shared.batchers, [read, read, read]);
  await send(single.batchers, [read, read, write, write], [write]);

  expect(shared.sent).toEqual([1]);
  expect(single.sent).toEqual([1, 1, 1, 1, 1]);
});
