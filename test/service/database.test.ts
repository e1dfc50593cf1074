import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { kill } from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, expect, inject, onTestFinished, test } from "vitest";
import { startEmbedded, type Embedded } from "../../src/db/embedded/embedded.ts";
import { DomainError } from "../../src/errors.ts";
import { statement } from "../../src/db/engine/statement.ts";
import { createTestDatabase, execute } from "../support/databases.ts";
import { settings } from "../support/embedded.ts";
import { deadline, openDatabase, openProxy, reasonOf } from "../support/pools.ts";
import { once, type Fault } from "../support/proxy.ts";

const { connection, ...database } = await createTestDatabase();
afterAll(() => database[Symbol.asyncDispose]());
const engine = inject("engine");
await execute(connection, "create table marks (name text primary key, times int4 not null default 1)");

const ask = statement<{ one: number }>("test.ask", "select 1::int4 as one");
/** Not safe to run again: shows how often it happened. */
const count = statement(
  "test.count",
  "insert into marks as m (name) values ($1) on conflict (name) do update set times = m.times + 1",
);
/** The same in a transaction of three round trips. */
const countApart = statement(
  "test.count_apart",
  "insert into marks as m (name) values ($1) on conflict (name) do update set times = m.times + 1",
  { isolation: "repeatable read" },
);
const wrong = statement("test.wrong", "select 1 / $1::int4");
const wrongApart = statement("test.wrong_apart", "update marks set times = times / $1::int4", {
  isolation: "repeatable read",
});

/** How often a mark was set. */
async function times(name: string): Promise<number> {
  const [row] = await execute<{ times: number }>(connection, "select times from marks where name = $1", [
    name,
  ]);
  return row?.times ?? 0;
}

test.runIf(engine.engine === "postgresql")(
  "a statement that is refused in a transaction is rolled back, and its connection goes on",
  async () => {
    const db = openDatabase(connection);
    await db.query(countApart, ["kept"], deadline());

    const refused = await reasonOf(db.query(wrongApart, [0], deadline()));

    expect(refused).toMatchObject({ code: "22012" });
    expect(await times("kept")).toBe(1);
    expect(db.stats()).toMatchObject({ total: 1, idle: 1 });
  },
);

test.runIf(engine.engine === "postgresql").each<[string, Fault, number]>([
  ["test.count_apart", { kind: "error", code: "40001" }, 1],
  ["test.count_apart", { kind: "cut_before" }, 1],
  ["test.count_apart", { kind: "drop_answer" }, 1],
  ["begin isolation level repeatable read", { kind: "drop_answer" }, 1],
  ["commit", { kind: "error", code: "40001" }, 1],
  ["commit", { kind: "cut_before" }, 1],
  // It committed, and the service could not know: hence ids that are derived from the call.
  ["commit", { kind: "drop_answer" }, 2],
  ["commit", { kind: "error_after", code: "40003" }, 2],
])("a transaction runs again after %s met %o", async (name, fault, effects) => {
  const proxy = await openProxy(connection);
  const db = openDatabase(proxy.connection);
  const own = `${name} ${JSON.stringify(fault)}`;
  let begun = 0;
  const decide = once(name, fault);
  proxy.decide = (exchange) => {
    if (exchange.statement.startsWith("begin")) begun++;
    return decide(exchange);
  };

  await db.query(countApart, [own], deadline());

  expect([...proxy.injected]).toEqual([[fault.kind, 1]]);
  expect(begun).toBe(2);
  expect(await times(own)).toBe(effects);
});

test.runIf(engine.engine === "postgresql").each([
  ["begins", "begin isolation level repeatable read", ["begin", "rollback"]],
  ["runs", "test.count_apart", ["begin", "test.count_apart", "rollback"]],
])("a transaction whose caller leaves while it %s is rolled back", async (when, late, expected) => {
  const proxy = await openProxy(connection);
  const db = openDatabase(proxy.connection);
  await db.query(ask, [], deadline());
  const caller = new AbortController();
  const sent: string[] = [];
  proxy.decide = ({ statement: text }) => {
    sent.push(text.startsWith("begin") ? "begin" : text);
    if (text !== late) return undefined;
    setTimeout(() => caller.abort(new Error("left")), 50);
    return { kind: "delay", ms: 150 };
  };

  const left = await reasonOf(db.query(countApart, [when], deadline(caller.signal)));
  await expect.poll(() => db.stats().used).toBe(0);

  expect(left).toEqual(new Error("left"));
  expect(sent).toEqual(expected);
  expect(await times(when)).toBe(0);
});

test("a session of which nobody knows what it did is ended before its statement runs again", async () => {
  const proxy = await openProxy(connection);
  const db = openDatabase(proxy.connection);
  // The server would hear of the first attempt long after the second one was answered.
  proxy.decide = once("test.count", { kind: "late", ms: 300 });

  await db.query(count, ["late"], deadline());
  await delay(400);

  expect(await times("late")).toBe(1);
});

test("a statement that the server refuses is not run again", async () => {
  const proxy = await openProxy(connection);
  const db = openDatabase(proxy.connection);
  let runs = 0;
  proxy.decide = () => void runs++;

  const refused = await reasonOf(db.query(wrong, [0], deadline()));

  expect(refused).toMatchObject({ code: "22012" });
  expect(refused).not.toBeInstanceOf(DomainError);
  expect(runs).toBe(1);
});

// It starts a PostgreSQL of its own.
test.runIf(engine.engine === "postgresql").each(["stopped", "killed"])(
  "calls go on when the server that was %s is back",
  async (how) => {
    const directory = await mkdtemp(path.join(tmpdir(), "commerce-restart-"));
    onTestFinished(() => rm(directory, { recursive: true }));
    let server: Embedded = await startEmbedded(directory, { settings });
    onTestFinished(() => server[Symbol.asyncDispose]());
    const proxy = await openProxy(server.connection);
    const db = openDatabase(proxy.connection);
    await Promise.all(Array.from({ length: 5 }, () => db.query(ask, [], deadline())));

    if (how === "killed") kill(server.pid, "SIGKILL");
    await server[Symbol.asyncDispose]();
    const meanwhile = db.query(ask, [], deadline());
    const hopeless = await reasonOf(db.query(ask, [], deadline(undefined, 100)));
    server = await startEmbedded(directory, { settings });
    proxy.upstream = server.connection;
    const since = performance.now();
    await meanwhile;

    expect(hopeless).toMatchObject({ kind: "unavailable" });
    expect(performance.now() - since).toBeLessThan(2_000);
    expect(await db.query(ask, [], deadline())).toEqual([{ one: 1 }]);
  },
);
