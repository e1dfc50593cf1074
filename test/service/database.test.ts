import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { kill } from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, expect, onTestFinished, test } from "vitest";
import { startEmbedded, type Embedded } from "../../src/db/embedded/embedded.ts";
import { AttemptError } from "../../src/db/engine/retry.ts";
import { statement } from "../../src/db/engine/statement.ts";
import { createTestDatabase, execute } from "../support/databases.ts";
import { settings } from "../support/embedded.ts";
import { budget, openDatabase, openProxy, reasonOf } from "../support/pools.ts";
import { once, type Fault } from "../support/proxy.ts";

const { connection, ...database } = await createTestDatabase();
afterAll(() => database[Symbol.asyncDispose]());
await execute(connection, "create table marks (name text primary key, times int4 not null default 1)");

const ask = statement<{ one: number }>("test.ask", "select 1 as one");
/** Safe to run again, as all our statements are. */
const mark = statement("test.mark", "insert into marks (name) values ($1) on conflict do nothing");
/** Not safe to run again: shows how often it happened. */
const count = statement(
  "test.count",
  "insert into marks as m (name) values ($1) on conflict (name) do update set times = m.times + 1",
);
const wrong = statement("test.wrong", "select 1 / $1::int4");

/** How often a mark was set. */
async function times(name: string): Promise<number> {
  const [row] = await execute<{ times: number }>(connection, "select times from marks where name = $1", [
    name,
  ]);
  return row?.times ?? 0;
}

test("a transaction commits what it did and returns its result", async () => {
  const db = openDatabase(connection);

  const result = await db.transaction(budget(), async (tx) => {
    await tx.query(count, ["committed"]);
    return tx.query(ask, []);
  });

  expect(result).toEqual([{ one: 1 }]);
  expect(await times("committed")).toBe(1);
});

test("a transaction whose work throws is rolled back, and its connection goes on", async () => {
  const db = openDatabase(connection);

  const thrown = await reasonOf(
    db.transaction(budget(), async (tx) => {
      await tx.query(count, ["thrown away"]);
      throw new Error("changed my mind");
    }),
  );

  expect(thrown).toEqual(new Error("changed my mind"));
  expect(await times("thrown away")).toBe(0);
  expect(db.stats()).toMatchObject({ total: 1, idle: 1 });
});

test("a transaction that ignored a failed statement does not pass for committed", async () => {
  const db = openDatabase(connection);

  const ignored = await reasonOf(
    db.transaction(budget(), async (tx) => {
      await tx.query(count, ["ignored"]);
      await tx.query(wrong, [0]).catch(() => {});
    }),
  );

  expect(ignored).toEqual(new Error("COMMIT was answered ROLLBACK"));
  expect(await times("ignored")).toBe(0);
});

test.each<[string, Fault, number]>([
  ["test.count", { kind: "error", code: "40001" }, 1],
  ["test.count", { kind: "cut_before" }, 1],
  ["test.count", { kind: "drop_answer" }, 1],
  ["begin", { kind: "drop_answer" }, 1],
  ["commit", { kind: "error", code: "40001" }, 1],
  ["commit", { kind: "cut_before" }, 1],
  // It committed, and nobody could know: hence ids that are derived from the call.
  ["commit", { kind: "drop_answer" }, 2],
  ["commit", { kind: "error_after", code: "40003" }, 2],
])("a transaction runs again after %s met %o", async (name, fault, effects) => {
  const proxy = await openProxy(connection);
  const db = openDatabase(proxy.connection);
  const own = `${name} ${JSON.stringify(fault)}`;
  proxy.decide = once(name, fault);
  let runs = 0;

  await db.transaction(budget(), async (tx) => {
    runs++;
    await tx.query(count, [own]);
    await tx.query(mark, [`${own}, derived`]);
  });

  expect([...proxy.injected]).toEqual([[fault.kind, 1]]);
  expect(runs).toBe(name === "begin" ? 1 : 2);
  expect([await times(own), await times(`${own}, derived`)]).toEqual([effects, 1]);
});

test("a session of which nobody knows what it did is ended before its statement runs again", async () => {
  const proxy = await openProxy(connection);
  const db = openDatabase(proxy.connection);
  // The server would hear of the first attempt long after the second one was answered.
  proxy.decide = once("test.count", { kind: "late", ms: 300 });

  await db.query(count, ["late"], budget());
  await delay(400);

  expect(await times("late")).toBe(1);
});

test("a statement that the server refuses is not run again", async () => {
  const proxy = await openProxy(connection);
  const db = openDatabase(proxy.connection);
  let runs = 0;
  proxy.decide = () => void runs++;

  const refused = await reasonOf(db.query(wrong, [0], budget()));

  expect(refused).toMatchObject({ code: "22012" });
  expect(refused).not.toBeInstanceOf(AttemptError);
  expect(runs).toBe(1);
});

test.each(["stopped", "killed"])("calls go on when the server that was %s is back", async (how) => {
  const directory = await mkdtemp(path.join(tmpdir(), "commerce-restart-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  let server: Embedded = await startEmbedded(directory, { settings });
  onTestFinished(() => server[Symbol.asyncDispose]());
  const proxy = await openProxy(server.connection);
  const db = openDatabase(proxy.connection);
  await Promise.all(Array.from({ length: 5 }, () => db.query(ask, [], budget())));

  if (how === "killed") kill(server.pid, "SIGKILL");
  await server[Symbol.asyncDispose]();
  const meanwhile = db.query(ask, [], budget());
  const hopeless = await reasonOf(db.query(ask, [], budget(undefined, 100)));
  server = await startEmbedded(directory, { settings });
  proxy.upstream = server.connection;
  const since = performance.now();
  await meanwhile;

  expect(hopeless).toMatchObject({ kind: "unavailable" });
  expect(performance.now() - since).toBeLessThan(2_000);
  expect(await db.query(ask, [], budget())).toEqual([{ one: 1 }]);
});
