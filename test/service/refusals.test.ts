import { randomUUID } from "node:crypto";
import { afterAll, expect, test } from "vitest";
import { within } from "../../src/db/engine/database.ts";
import type { DomainError } from "../../src/errors.ts";
import { listOrderEvents } from "../../src/db/orders/orders.ts";
import { deleteExpired } from "../support/expired.ts";
import { createTestDatabase, execute } from "../support/databases.ts";
import { deadline, openDatabase, reasonOf } from "../support/pools.ts";
import { kinds, newKey, sendOne } from "../support/refusable.ts";

const { connection, ...database } = await createTestDatabase();
afterAll(() => database[Symbol.asyncDispose]());

/** Marks that are kept, of all calls. */
async function countMarks(): Promise<number> {
  const [row] = await execute<{ count: string }>(
    connection,
    `select (select count(*) from order_events where refusal is not null)
      + (select count(*) from user_changes where refusal is not null)
      + (select count(*) from stock_movements where refusal is not null) as count`,
  );
  return Number(row!.count);
}

const open = () => openDatabase(connection);
const run = (db = open()) => within(db, deadline());

/** What a caller is told of an error. */
function toTold(error: unknown): unknown {
  const { kind, reason, message, facts } = error as DomainError;
  return { kind, reason, message, facts };
}

test.each(kinds)("%s is refused as before when its reason has gone", async (_, reason, arrange) => {
  const { make, mend, count } = await arrange(open(), connection);
  const key = newKey();
  const refused = toTold(await reasonOf(make(run(), key)));
  await mend();

  const again = [await reasonOf(make(run(), key)), await reasonOf(make(run(), key))].map(toTold);

  expect(refused).toMatchObject({ reason });
  expect(again).toEqual([refused, refused]);
  expect(await count(key)).toBe(0);
});

test.each(kinds)(
  "%s that was refused is refused again while its reason lasts",
  async (_, reason, arrange) => {
    const { make } = await arrange(open(), connection);
    const key = newKey();
    const refused = toTold(await reasonOf(make(run(), key)));

    const again = toTold(await reasonOf(make(run(), key)));

    expect(refused).toMatchObject({ reason });
    expect(again).toEqual(refused);
  },
);

test.each(kinds)(
  "%s that was refused does not happen late, with its replica gone",
  async (_, _reason, arrange) => {
    const { make, mend, count } = await arrange(open(), connection);
    const key = newKey();
    await reasonOf(make(run(), key));
    await mend();

    await reasonOf(make(sendOne(open()), key));

    expect(await count(key)).toBe(0);
  },
);

test.each(kinds)(
  "%s that has happened is no refusal, though it would be refused now",
  async (_, _reason, arrange) => {
    const { make, mend, count } = await arrange(open(), connection);
    const key = newKey();
    await mend();
    await reasonOf(make(sendOne(open()), key));

    await expect(make(run(), key)).resolves.toBeDefined();

    expect(await count(key)).toBe(1);
  },
);

test.each(kinds)("%s that is refused is another call with another payload", async (_, _reason, arrange) => {
  const { make, mend, count } = await arrange(open(), connection);
  const key = newKey();
  await reasonOf(make(run(), key));
  const other = { ...key, fingerprint: randomUUID() };
  const before = await reasonOf(make(run(), other));
  await mend();

  const after = await reasonOf(make(run(), other));

  expect([before, after]).toMatchObject([{ reason: "REQUEST_ID_REUSED" }, { reason: "REQUEST_ID_REUSED" }]);
  expect(await count(key)).toBe(0);
});

test.each(kinds)("%s under a request_id of the service leaves nothing behind", async (_, reason, arrange) => {
  const { make, mend, count } = await arrange(open(), connection);
  const key = { ...newKey(), refusalMs: 0 };
  const marks = await countMarks();
  const refused = await reasonOf(make(run(), key));
  await deleteExpired(open(), connection);
  const left = (await countMarks()) - marks;
  await mend();

  await make(run(), key);

  expect(refused).toMatchObject({ reason });
  expect([left, await count(key)]).toEqual([0, 1]);
});

test.each(kinds)(
  "%s that meets itself elsewhere happens or is refused, never both",
  async (_, reason, arrange) => {
    const [here, there] = [open(), open()];
    const seen = { happened: 0, refused: 0 };
    for (let round = 0; round < 50; round++) {
      const { make, mend, count } = await arrange(here, connection);
      const key = newKey();
      const calls = [here, there].map((db) => reasonOf(make(run(db), key)));

      await Promise.all([...calls, mend()]);
      const answers = [...(await Promise.all(calls)), await reasonOf(make(run(there), key))];

      const refused = answers.filter((answer) => answer instanceof Error);
      for (const error of refused) expect(error).toMatchObject({ reason });
      expect(refused.length % 3, "all answers are the same").toBe(0);
      expect(await count(key)).toBe(refused.length === 0 ? 1 : 0);
      seen[refused.length === 0 ? "happened" : "refused"]++;
    }
    expect(seen.refused).toBeGreaterThan(0);
  },
);

test.each(kinds)(
  "%s is decided anew when its refusal has been kept for long enough",
  async (_, reason, arrange) => {
    const { make, mend, count } = await arrange(open(), connection);
    const key = newKey();
    const refused = await reasonOf(make(run(), key));
    await mend();
    await deleteExpired(open(), connection);
    const kept = await reasonOf(make(run(), key));
    await expireMarks();

    await deleteExpired(open(), connection);

    expect([refused, kept]).toMatchObject([{ reason }, { reason }]);
    await expect(make(run(), key)).resolves.toBeDefined();
    expect(await count(key)).toBe(1);
  },
);

/** As if a day and a little more had passed. */
async function expireMarks(): Promise<void> {
  for (const table of ["order_events", "user_changes", "stock_movements"])
    await execute(
      connection,
      `update ${table} set expire_time = now() - interval '1 second'
       where expire_time > now() + interval '23 hours' and expire_time <= now() + interval '1 day'`,
    );
}

test("a refused order has no events to be listed", async () => {
  const [[, , arrange]] = kinds as [(typeof kinds)[number]];
  const { make } = await arrange(open(), connection);
  const key = newKey();
  await reasonOf(make(run(), key));

  const listed = await reasonOf(listOrderEvents(run(), key.id, 0n, 10));

  expect(listed).toMatchObject({ reason: "ORDER_NOT_FOUND" });
});

test("more marks than a transaction deletes are swept", async () => {
  await execute(
    connection,
    `insert into user_changes (id, user_id, fingerprint, refusal, expire_time)
     select gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), '{}', now()
     from generate_series(1, 2500)`,
  );

  await deleteExpired(open(), connection);

  const left = "select count(*)::int4 from user_changes where expire_time <= now()";
  expect(await execute(connection, left)).toEqual([{ count: 0 }]);
});

test.each(kinds)(
  "%s that was refused is another call to a release that knows no marks",
  async (_, _reason, arrange) => {
    const { make } = await arrange(open(), connection);
    const key = newKey();

    await reasonOf(make(run(), key));

    const taken = `select id from stock_movements where fingerprint = $1
    union all select order_id from order_events where fingerprint = $1
    union all select id from user_changes where fingerprint = $1 and id = $2`;
    expect(await execute(connection, taken, [key.fingerprint, key.id])).toEqual([]);
  },
);
