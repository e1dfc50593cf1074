import { afterAll, expect, test } from "vitest";
import { endSession } from "../../src/db/engine/fence.ts";
import { createPool } from "../../src/db/engine/pool.ts";
import { statement } from "../../src/db/engine/statement.ts";
import { createTestDatabase } from "../support/databases.ts";
import { budget, limits, openDatabase, openProxy, reasonOf } from "../support/pools.ts";

const { connection, engine, ...database } = await createTestDatabase();
afterAll(() => database[Symbol.asyncDispose]());

test("a session is ended by its name, and not the one that has its number now", async () => {
  await using pool = createPool(connection, engine, limits);
  const [own, other] = [await pool.acquire(budget()), await pool.acquire(budget())];
  const isThere = async (): Promise<boolean> =>
    (await reasonOf(other.client.query("select 1"))) === "it did not fail";

  await endSession(own.client, engine, { ...other.session, applicationName: "commerce-core none" });
  const after = await isThere();
  await endSession(own.client, engine, other.session);
  const ended = await isThere();

  own.release(true);
  other.release(false);
  expect([after, ended]).toEqual([true, false]);
});

test("each session has a name of its own, by which the server knows it", async () => {
  await using pool = createPool(connection, engine, limits);
  const leases = [await pool.acquire(budget()), await pool.acquire(budget())];

  const names = await Promise.all(
    leases.map(({ client }) =>
      client.query<{ name: string }>("select current_setting('application_name') as name"),
    ),
  );

  for (const { release } of leases) release(true);
  const known = names.map(({ rows }) => rows[0]!.name);
  expect(known).toEqual(leases.map(({ session }) => session.applicationName));
  expect(known[0]).toMatch(/^commerce-core [0-9a-f]{12}$/);
  expect(known[1]).not.toBe(known[0]);
});

test.runIf(engine === "postgresql")(
  "a statement in doubt runs again when its session has been ended, and not before",
  async () => {
    const proxy = await openProxy(connection);
    const db = openDatabase(proxy.connection);
    const touch = statement("test.touch", "update secrets set value = value where name = $1::text");
    const sent: string[] = [];
    proxy.decide = ({ statement: text }) => {
      const name = text.includes("pg_terminate_backend") ? "fence" : text;
      sent.push(name);
      if (sent.length === 1) return { kind: "drop_answer" };
      return name === "fence" && sent.length === 2 ? { kind: "error", code: "40001" } : undefined;
    };

    await db.query(touch, ["none"], budget());

    expect(sent).toEqual(["test.touch", "fence", "fence", "test.touch"]);
  },
);
