import { afterAll, expect, test } from "vitest";
import { endSession } from "../../src/db/engine/session.ts";
import { createPool } from "../../src/db/engine/pool.ts";
import { statement } from "../../src/db/engine/statement.ts";
import { createTestDatabase } from "../support/databases.ts";
import { deadline, limits, openDatabase, openProxy, reasonOf } from "../support/pools.ts";

const { connection, engine, ...database } = await createTestDatabase();
afterAll(() => database[Symbol.asyncDispose]());

test("a session is ended by its id, and not the one that has its number now", async () => {
  await using pool = createPool(connection, engine, limits);
  const [own, other] = [await pool.checkOut(deadline()), await pool.checkOut(deadline())];
  const isThere = async (): Promise<boolean> =>
    (await reasonOf(other.client.query("select 1"))) === "it did not fail";

  // Of the same form on each engine.
  const { id } = other.session;
  await endSession(own.client, engine, {
    ...other.session,
    id: `${id.startsWith("0") ? 1 : 0}${id.slice(1)}`,
  });
  const after = await isThere();
  await endSession(own.client, engine, other.session);
  const ended = await isThere();

  own.release(true);
  other.release(false);
  expect([after, ended]).toEqual([true, false]);
});

test("each session has an id of its own, and all have one name", async () => {
  await using pool = createPool(connection, engine, limits);
  const checkouts = [await pool.checkOut(deadline()), await pool.checkOut(deadline())];

  const names = await Promise.all(
    checkouts.map(({ client }) =>
      client.query<{ name: string }>("select current_setting('application_name') as name"),
    ),
  );

  for (const { release } of checkouts) release(true);
  expect(names.map(({ rows }) => rows[0]!.name)).toEqual(["commerce-core", "commerce-core"]);
  expect(new Set(checkouts.map(({ session }) => session.id)).size).toBe(2);
});

test("a connection that does not say which session it has is not used, and the call goes on", async () => {
  const proxy = await openProxy(connection);
  const db = openDatabase(proxy.connection);
  const ask = statement("test.ask_of_another", "select 1::int4 as one");
  const asked: number[] = [];
  proxy.decidesIdentification = true;
  proxy.decide = ({ connection: id }) => {
    asked.push(id);
    if (id === 1) return { kind: "half_open" };
    return id === 2 ? { kind: "cut_after" } : undefined;
  };

  const answer = await db.query(ask, [], deadline());

  expect(answer).toEqual([{ one: 1 }]);
  expect(asked).toEqual([1, 2, 3, 3]);
});

test.runIf(engine === "postgresql")(
  "a statement in doubt runs again when its session has been ended, and not before",
  async () => {
    const proxy = await openProxy(connection);
    const db = openDatabase(proxy.connection);
    const touch = statement("test.touch", "update secrets set value = value where name = $1::text");
    const sent: string[] = [];
    proxy.decide = ({ statement: text }) => {
      const name = text.includes("pg_terminate_backend") ? "end" : text;
      sent.push(name);
      if (sent.length === 1) return { kind: "drop_answer" };
      return name === "end" && sent.length === 2 ? { kind: "error", code: "40001" } : undefined;
    };

    await db.query(touch, ["none"], deadline());

    expect(sent).toEqual(["test.touch", "end", "end", "test.touch"]);
  },
);
