import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { adjustStock } from "../src/db/products/adjust-stock.ts";
import { reserveAttempts } from "../src/db/users/attempts.ts";
import { changeStatuses } from "../src/db/orders/change-statuses.ts";
import { within, type Database } from "../src/db/engine/database.ts";
import { mutate } from "../src/db/engine/mutate.ts";
import type { Run } from "../src/db/engine/statement.ts";
import { databaseAway } from "../src/errors.ts";
import { importItems } from "../src/db/orders/import-items.ts";
import { importOrders } from "../src/db/orders/import-orders.ts";
import { createProducts } from "../src/db/products/products.ts";
import { createOrders } from "../src/db/orders/place-orders.ts";
import { createUsers } from "../src/db/users/users.ts";
import { deadline, reasonOf } from "./support/pools.ts";
import { call, itemDraft, orderDraft, reasons, userDraft, statusChange } from "./support/rows.ts";

// What batches answer to what a database says seldom.

type Row = Readonly<Record<string, unknown>>;

/** A database that answers each statement, by name, with what comes next. */
function answering(answers: Readonly<Record<string, readonly (readonly Row[] | Error)[]>>): Database {
  const asked = new Map<string, number>();
  return {
    async query({ name }: { readonly name: string }) {
      const turn = asked.get(name) ?? 0;
      asked.set(name, turn + 1);
      const answer = answers[name]?.[turn];
      if (answer === undefined) throw new Error(`${name} was asked once more`);
      if (answer instanceof Error) throw answer;
      return answer;
    },
  } as unknown as Database;
}

const silent = answering({});

const [id, key] = [randomUUID(), randomUUID()];
const twice = <T>(make: () => T, shared: Partial<T>): T[] => [
  { ...make(), ...shared },
  { ...make(), ...shared },
];
const attempt = () => ({ accountId: id, callerId: undefined, delaysMs: [0], forgetMs: 1 });
const product = () => ({ ...call(), name: "Lamp", onHand: 1n });
const movement = () => ({ ...call(), productId: randomUUID(), delta: 1n });

test.each<[string, () => Promise<unknown>]>([
  ["users have one id", () => createUsers(within(silent, deadline()), twice(userDraft, { id }))],
  ["products have one id", () => createProducts(within(silent, deadline()), twice(product, { id }))],
  ["adjustments have one id", () => adjustStock(within(silent, deadline()), twice(movement, { id }))],
  [
    "orders have one id",
    () =>
      createOrders(
        within(silent, deadline()),
        twice(() => orderDraft(key, key), { id }),
      ),
  ],
  [
    "changes are of one order",
    () => changeStatuses(within(silent, deadline()), twice(statusChange, { orderId: id })),
  ],
  [
    "changes have one key",
    () => changeStatuses(within(silent, deadline()), twice(statusChange, { idempotencyKey: key })),
  ],
  ["attempts are of one account", () => reserveAttempts(within(silent, deadline()), twice(attempt, {}))],
])("no two %s in a batch", async (_, send) => {
  expect(await reasonOf(send())).toEqual(new Error("two requests of a batch share a key"));
});

test("a change of an order that is gone with its user since is answered with NOT_FOUND", async () => {
  const change = statusChange();
  const db = answering({
    "orders.update_statuses": [
      [{ n: 0, was: "pending", verdict: "replayed" }],
      [{ n: 0, was: null, verdict: "unknown" }],
    ],
    "orders.events_by_key": [[]],
    "orders.get": [[]],
  });

  const outcomes = await changeStatuses(within(db, deadline()), [change]);

  expect(reasons(outcomes)).toEqual(["ORDER_NOT_FOUND"]);
});

test("a change whose event was left behind by the deletion of its order is answered with NOT_FOUND", async () => {
  const change = statusChange();
  const { idempotencyKey, orderId, fingerprint } = change;
  const db = answering({
    "orders.update_statuses": [[{ n: 0, was: "pending", verdict: "replayed" }]],
    "orders.events_by_key": [[{ idempotencyKey, orderId, fingerprint, refusal: null }]],
    "orders.get": [[]],
  });

  const outcomes = await changeStatuses(within(db, deadline()), [change]);

  expect(reasons(outcomes)).toEqual(["ORDER_NOT_FOUND"]);
});

test.each([
  ["delivered", "is DELIVERED, which is final"],
  ["shipped", "is SHIPPED, which takes no items"],
])("an item for an order that is %s and closed is told so", async (status, what) => {
  const draft = itemDraft(randomUUID(), randomUUID());
  const left = { n: 0, verdict: "final", orderCurrency: "EUR", status };
  const db = answering({ "orders.add_items": [[left]] });

  const [refused] = await importItems(within(db, deadline()), [draft]);

  expect(refused).toMatchObject({ reason: "FINAL_ORDER", message: `order ${draft.orderId} ${what}` });
});

test("an attempt that is too early by less than a millisecond waits for one", async () => {
  const db = answering({ "login_attempts.reserve": [[{ id, waitMs: 0.2 }]] });

  expect(await reserveAttempts(within(db, deadline()), [attempt()])).toEqual([1]);
});

const created = { n: 0, verdict: "created", createTime: 1n, unknown: null, short: null };
const contended = { ...created, n: 1, verdict: "contended", createTime: null };

test.each<[string, (run: Run) => Promise<unknown>, Database]>([
  [
    "CreateOrder",
    (run) => createOrders(run, [orderDraft(key, key), orderDraft(key, key)]),
    answering({ "orders.create": [[created, contended], databaseAway(undefined)] }),
  ],
  [
    "ImportOrders",
    (run) => importOrders(run, [orderDraft(key, key), orderDraft(key, key)]),
    answering({ "orders.create": [[created, contended], databaseAway(undefined)] }),
  ],
  [
    "ImportOrderItems",
    (run) => importItems(run, [itemDraft(key, key), itemDraft(key, key)]),
    answering({ "orders.add_items": [[{ n: 1, verdict: "contended" }], databaseAway(undefined)] }),
  ],
  [
    "AdjustStock",
    (run) => adjustStock(run, [movement(), movement()]),
    answering({
      "products.adjust_stock": [
        [
          { n: 0, verdict: "ok" },
          { n: 1, verdict: "contended" },
        ],
        databaseAway(undefined),
      ],
    }),
  ],
])(
  "a batch of %s of which a round has happened is in doubt when the next one fails",
  async (_, write, db) => {
    const failed = await reasonOf(mutate(db, deadline(), write, null));

    expect(failed).toMatchObject({ kind: "outcome_unknown" });
  },
);
