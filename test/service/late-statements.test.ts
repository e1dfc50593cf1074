import pg from "pg";
import { afterAll, expect, inject, test } from "vitest";
import { toClientConfig } from "../../src/db/engine/connection.ts";
import { within } from "../../src/db/engine/database.ts";
import { toParameter } from "../../src/db/engine/pg-types.ts";
import { allTexts } from "../../src/db/engine/statement.ts";
import { toParameters } from "../../src/db/orders/order-drafts.ts";
import { createOrders } from "../../src/db/orders/place-orders.ts";
import { refuseOrders } from "../../src/db/orders/refuse-orders.ts";
import { sentMarks, toMark } from "../../src/db/refusals.ts";
import { insufficientStock } from "../../src/errors.ts";
import { createTestDatabase, execute } from "../support/databases.ts";
import { deadline, openDatabase } from "../support/pools.ts";
import { newKey } from "../support/refusable.ts";
import { createRows, orderDraft, reasons } from "../support/rows.ts";

const { connection, ...database } = await createTestDatabase();
afterAll(() => database[Symbol.asyncDispose]());

const open = () => openDatabase(connection);
const run = (db = open()) => within(db, deadline());

/** Two orders in one batch that waits for a locked product, of which the first one is short for now. */
async function givenHeldUp() {
  const rows = createRows(open());
  const [user, scarce, locked] = [await rows.user(), await rows.product(0n), await rows.product(1n)];
  const order = orderDraft(user.id, scarce.id, 1, newKey());
  const hold = new pg.Client(toClientConfig(connection));
  await hold.connect();
  await hold.query("begin");
  await hold.query("select id from products where id = $1 for update", [locked.id]);
  return {
    order,
    batch: [order, orderDraft(user.id, locked.id)],
    refill: () => execute(connection, "update products set on_hand = 1 where id = $1", [scarce.id]),
    letGo: () => hold.end(),
  };
}

/** Until a session waits for a row lock. */
async function untilLocked(): Promise<void> {
  const waiting = `select pid from pg_stat_activity
    where wait_event_type = 'Lock' and datname = current_database()`;
  await expect.poll(async () => (await execute(connection, waiting)).length).toBeGreaterThan(0);
}

test.runIf(inject("engine").engine === "postgresql")(
  "an order that was refused elsewhere while its statement waited for a lock is not placed by it",
  async () => {
    const { order, batch, refill, letGo } = await givenHeldUp();
    const late = createOrders(run(), batch);
    await untilLocked();

    const refused = await createOrders(run(), [order]);
    await refill();
    await letGo();

    expect(reasons(refused)).toEqual(["INSUFFICIENT_STOCK"]);
    expect(reasons(await late)).toEqual(["INSUFFICIENT_STOCK", "ok"]);
  },
);

test.runIf(inject("engine").engine === "postgresql")(
  "an order that was refused is not placed by a statement that reads what was committed and began before",
  async () => {
    const { order, batch, refill, letGo } = await givenHeldUp();
    // There is stock when the late statement decides.
    await refill();
    await using late = await connectPlain();
    await late.client.query("begin isolation level read committed");
    const values = [...toParameters(batch, [0, 1]), null, null].map(toParameter);
    const sent = late.client.query(allTexts("postgresql").get("orders.create")!, values);
    await untilLocked();

    const { productId } = order.items[0]!;
    const short = insufficientStock([{ productId, onHand: 0n, requested: 1n }]);
    await run()(refuseOrders, sentMarks.values([toMark(order.id, short, order)]));
    await letGo();
    await sent;
    await late.client.query("commit");

    expect(
      await execute(connection, "select id from orders where id = any($1)", [batch.map(({ id }) => id)]),
    ).toEqual([{ id: batch[1]!.id }]);
  },
);

async function connectPlain() {
  const client = new pg.Client(toClientConfig(connection));
  await client.connect();
  return { client, [Symbol.asyncDispose]: () => client.end() };
}
