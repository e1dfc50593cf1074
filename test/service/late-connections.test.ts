import { afterAll, expect, test } from "vitest";
import { createPool } from "../../src/db/engine/pool.ts";
import { statement } from "../../src/db/engine/statement.ts";
import { createTestDatabase } from "../support/databases.ts";
import { deadline, limits, openDatabase, openProxy, reasonOf } from "../support/pools.ts";

const { connection, engine, ...database } = await createTestDatabase();
afterAll(() => database[Symbol.asyncDispose]());

const ask = statement<{ one: number }>("test.ask", "select 1::int4 as one");

test("a connection that is made when its caller has left serves the next one", async () => {
  const proxy = await openProxy(connection);
  const db = openDatabase(proxy.connection, { connsMax: 1 });
  const caller = new AbortController();

  const left = reasonOf(db.query(ask, [], deadline(caller.signal)));
  caller.abort(new Error("left"));

  expect(await left).toEqual(new Error("left"));
  await expect.poll(() => db.stats()).toMatchObject({ total: 1, idle: 1, used: 0 });
  expect(await db.query(ask, [], deadline(undefined, 2_000))).toEqual([{ one: 1 }]);
});

test.each([
  ["are not used again when their plans no longer fit", "plan", 0],
  ["are not used again when their server takes no writes", "server", 0],
  ["go on otherwise", undefined, 2],
] as const)("connections %s", async (_, stale, again) => {
  await using pool = createPool(connection, engine, limits);
  const take = async (): Promise<string[]> => {
    const checkouts = [await pool.checkOut(deadline()), await pool.checkOut(deadline())];
    for (const { release } of checkouts) release(true);
    return checkouts.map(({ session }) => session.id);
  };
  const before = new Set(await take());

  pool.renew(stale);
  const after = await take();

  expect(after.filter((id) => before.has(id))).toHaveLength(again);
});

test("connections are made again for another server at most twice a second", async () => {
  await using pool = createPool(connection, engine, limits);
  const take = async (): Promise<string> => {
    const { session, release } = await pool.checkOut(deadline());
    release(true);
    return session.id;
  };
  await take();
  pool.renew("server");
  const before = await take();

  pool.renew("server");

  expect(await take()).toBe(before);
});
