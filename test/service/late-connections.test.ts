import { afterAll, expect, test } from "vitest";
import { statement } from "../../src/db/statement.ts";
import { createTestDatabase } from "../support/databases.ts";
import { budget, openDatabase, openProxy, reasonOf } from "../support/pools.ts";

const { connection, ...database } = await createTestDatabase();
afterAll(() => database[Symbol.asyncDispose]());

const ask = statement<{ one: number }>("test.ask", "select 1 as one");

test("a connection that is made when its caller has left serves the next one", async () => {
  const proxy = await openProxy(connection);
  const db = openDatabase(proxy.connection, { connsMax: 1 });
  const caller = new AbortController();

  const left = reasonOf(db.query(ask, [], budget(caller.signal)));
  caller.abort(new Error("left"));

  expect(await left).toEqual(new Error("left"));
  await expect.poll(() => db.stats()).toMatchObject({ total: 1, idle: 1, used: 0 });
  expect(await db.query(ask, [], budget(undefined, 2_000))).toEqual([{ one: 1 }]);
});
