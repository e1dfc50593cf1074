import { randomUUID } from "node:crypto";
import { afterAll, expect, inject, test } from "vitest";
import { within, type Database } from "../../src/db/engine/database.ts";
import { beginImport } from "../../src/db/orders/import-attempts.ts";
import { importItems } from "../../src/db/orders/import-items.ts";
import { importOrders } from "../../src/db/orders/import-orders.ts";
import { getOrders } from "../../src/db/orders/orders.ts";
import { createTestDatabase, execute } from "../support/databases.ts";
import { deadline, openDatabase, openProxy, reasonOf } from "../support/pools.ts";
import { once } from "../support/proxy.ts";
import { createRows, itemDraft, orderDraft, reasons } from "../support/rows.ts";

const { connection, ...database } = await createTestDatabase();
afterAll(() => database[Symbol.asyncDispose]());

const run = (db: Database) => within(db, deadline());
const begin = (db: Database, importId: string) => beginImport(run(db), importId, 2);

/** An import of orders, or of items, that are short of stock until there is some. */
type Given = {
  readonly write: (db: Database, attempt: Awaited<ReturnType<typeof begin>>) => Promise<unknown[]>;
  readonly mend: () => Promise<unknown>;
  /** Rows that are there. */
  readonly count: () => Promise<number>;
};

const kinds: readonly [string, (db: Database) => Promise<Given>][] = [
  [
    "orders",
    async (db) => {
      const rows = createRows(db);
      const [user, product] = [await rows.user(), await rows.product(0n)];
      const draft = orderDraft(user.id, product.id);
      return {
        write: (at, attempt) => importOrders(run(at), [draft], attempt),
        mend: () => execute(connection, "update products set on_hand = 1 where id = $1", [product.id]),
        count: async () => (await getOrders(run(db), [draft.id], false)).length,
      };
    },
  ],
  [
    "items",
    async (db) => {
      const rows = createRows(db);
      const [user, lamp, scarce] = [await rows.user(), await rows.product(), await rows.product(0n)];
      const order = await rows.order(orderDraft(user.id, lamp.id));
      const draft = itemDraft(order.id, scarce.id);
      return {
        write: (at, attempt) => importItems(run(at), [draft], attempt),
        mend: () => execute(connection, "update products set on_hand = 1 where id = $1", [scarce.id]),
        count: async () => (await getOrders(run(db), [order.id], false))[0]!.itemCount - 1,
      };
    },
  ],
];

test.each(kinds)(
  "a row of %s that an attempt refused is not brought by the one before",
  async (_, arrange) => {
    const [here, there] = [openDatabase(connection), openDatabase(connection)];
    const { write, mend, count } = await arrange(here);
    const importId = randomUUID();
    const first = await begin(here, importId);
    const second = await begin(there, importId);
    const refused = await write(there, second);
    await mend();

    const late = await reasonOf(write(here, first));

    expect(reasons(refused)).toEqual(["INSUFFICIENT_STOCK"]);
    expect(late).toMatchObject({ kind: "aborted", reason: "IMPORT_SUPERSEDED" });
    expect(await count()).toBe(0);
  },
);

test.each(kinds)("a row of %s that was refused is decided anew by another attempt", async (_, arrange) => {
  const db = openDatabase(connection);
  const { write, mend, count } = await arrange(db);
  const importId = randomUUID();
  await write(db, await begin(db, importId));
  await mend();

  const again = await write(db, await begin(db, importId));

  expect(again).toEqual(["inserted"]);
  expect(await count()).toBe(1);
});

test.each(kinds)(
  "an attempt at an import of %s and the next one never contradict each other",
  async (_, arrange) => {
    const [here, there] = [openDatabase(connection), openDatabase(connection)];
    for (let round = 0; round < 25; round++) {
      const { write, mend, count } = await arrange(here);
      const importId = randomUUID();
      const first = await begin(here, importId);
      const early = write(here, first).catch((error: unknown) => [error]);

      const [, second] = await Promise.all([mend(), begin(there, importId)]);
      const said = reasons(await write(there, second));
      const before = reasons(await early);

      expect(["ok", "INSUFFICIENT_STOCK", "IMPORT_SUPERSEDED"]).toContain(before[0]);
      expect(await count()).toBe(said[0] === "ok" ? 1 : 0);
      expect([...before, ...said]).not.toEqual(["ok", "INSUFFICIENT_STOCK"]);
    }
  },
);

test.runIf(inject("engine").engine === "postgresql").each(kinds)(
  "an attempt at an import of %s goes on when one that was begun before it arrives late",
  async (_, arrange) => {
    const proxy = await openProxy(connection);
    const [here, there] = [openDatabase(proxy.connection), openDatabase(connection)];
    const { write } = await arrange(there);
    const importId = randomUUID();
    const [sent, arrives, over] = Array.from({ length: 3 }, () => Promise.withResolvers<void>());
    const stall = { kind: "stall", until: arrives!.promise, hasLeft: true, over: over!.resolve } as const;
    const first = once("imports.begin", stall);
    proxy.decide = (exchange) => {
      const fault = first(exchange);
      if (fault) sent!.resolve();
      return fault;
    };
    const late = reasonOf(begin(here, importId));
    await sent!.promise;
    const attempt = await begin(there, importId);

    arrives!.resolve();
    await over!.promise;

    expect(reasons(await write(there, attempt))).toEqual(["INSUFFICIENT_STOCK"]);
    expect(await late).toMatchObject({ reason: "IMPORT_SUPERSEDED" });
  },
);
