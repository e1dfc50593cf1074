import { afterAll, expect, onTestFinished, test, vi } from "vitest";
import type { Database } from "../../src/db/engine/database.ts";
import { connect } from "../../src/db/engine/connection.ts";
import { createPool, serviceSettings } from "../../src/db/engine/pool.ts";
import { statement } from "../../src/db/engine/statement.ts";
import { createTestDatabase, execute } from "../support/databases.ts";
import { deadline, limits, openDatabase, openProxy, reasonOf } from "../support/pools.ts";

const { connection, engine, ...database } = await createTestDatabase();
afterAll(() => database[Symbol.asyncDispose]());

const sleep = statement<{ slept: string }>("test.sleep", "select pg_sleep($1::float8)::text as slept");
const ask = statement<{ one: number }>("test.ask", "select 1::int4 as one");

/** Occupies a connection until the caller leaves. */
async function occupy(db: Database): Promise<AbortController> {
  const caller = new AbortController();
  const { used } = db.stats();
  void reasonOf(db.query(sleep, [60], deadline(caller.signal)));
  await expect.poll(() => db.stats().used).toBe(used + 1);
  return caller;
}

/** Both engines take the setting. */
test.runIf(engine === "postgresql").each([
  ["postgresql", "force_generic_plan"],
  ["cockroachdb", "force_custom_plan"],
] as const)("sessions on %s have plan_cache_mode %s", async (on, expected) => {
  const client = await connect(connection, { purpose: "test", settings: serviceSettings(on) });

  const { rows } = await client.query<{ mode: string }>("select current_setting('plan_cache_mode') as mode");

  await client.end();
  expect(rows).toEqual([{ mode: expected }]);
});

test("a call that finds the queue full fails at once", async () => {
  const db = openDatabase(connection, { connsMax: 1, queueMax: 1 });
  const first = await occupy(db);
  const second = db.query(ask, [], deadline());

  const third = await reasonOf(db.query(ask, [], deadline()));

  expect(third).toMatchObject({ kind: "exhausted", reason: "POOL_EXHAUSTED", facts: { retryAfterMs: 200 } });
  first.abort();
  expect(await second).toEqual([{ one: 1 }]);
});

test("a call waits for a connection as long as it is told and no longer", async () => {
  const db = openDatabase(connection, { connsMax: 1, waitMsMax: 100 });
  const first = await occupy(db);
  const since = performance.now();

  const second = await reasonOf(db.query(ask, [], deadline()));

  expect(second).toMatchObject({ kind: "exhausted", reason: "POOL_EXHAUSTED" });
  // Timers count in whole milliseconds from the start of the turn.
  expect(performance.now() - since).toBeGreaterThan(98);
  expect(performance.now() - since).toBeLessThan(5_000);
  first.abort();
});

test("a caller who leaves leaves the queue as well", async () => {
  const db = openDatabase(connection, { connsMax: 1, queueMax: 2 });
  const first = await occupy(db);
  const second = new AbortController();
  const left = reasonOf(db.query(ask, [], deadline(second.signal)));
  const third = db.query(ask, [], deadline());

  second.abort(new Error("left"));

  expect(await left).toEqual(new Error("left"));
  expect(db.stats().waiting).toBe(1);
  first.abort();
  expect(await third).toEqual([{ one: 1 }]);
});

test("a caller who has left already costs nothing", async () => {
  const db = openDatabase(connection);

  const left = await reasonOf(db.query(ask, [], deadline(AbortSignal.abort(new Error("left")))));

  expect(left).toEqual(new Error("left"));
  expect(db.stats()).toMatchObject({ total: 0, used: 0 });
});

test("an attempt that must not be sent any more gives its connection back at once", async () => {
  const db = openDatabase(connection, { connsMax: 1 });
  await db.query(ask, [], deadline());
  const stale = new AbortController();
  const throwIfStale = (): void => {
    stale.abort(new Error("stale"));
    stale.signal.throwIfAborted();
  };

  const failed = await reasonOf(db.query(ask, [], { ...deadline(stale.signal), throwIfStale }));

  expect(failed).toEqual(new Error("stale"));
  expect(db.stats()).toMatchObject({ total: 1, used: 0 });
});

test.runIf(engine === "postgresql")(
  "the statement of a caller who leaves ends on the server",
  async ({ annotate }) => {
    const db = openDatabase(connection, { connsMax: 1 });
    const backend = statement<{ pid: number }>("test.backend", "select pg_backend_pid() as pid");
    const before = await db.query(backend, [], deadline());
    const caller = new AbortController();
    const call = reasonOf(db.query(sleep, [60], deadline(caller.signal)));
    const sleeping = async (): Promise<number> =>
      (
        await execute(
          connection,
          "select from pg_stat_activity where state = 'active' and query like 'select pg_sleep%'",
        )
      ).length;
    await expect.poll(sleeping).toBe(1);
    const since = performance.now();

    caller.abort(new Error("left"));
    const answer = await call;
    const answeredMs = performance.now() - since;
    await expect.poll(sleeping, { interval: 2 }).toBe(0);
    const goneMs = performance.now() - since;

    expect(answer).toEqual(new Error("left"));
    expect(answeredMs).toBeLessThan(1_000);
    // Its connection was not given up for it.
    expect(await db.query(backend, [], deadline())).toEqual(before);
    await annotate(
      `answered after ${answeredMs.toFixed(1)} ms, gone from the server after ${goneMs.toFixed(1)} ms`,
    );
  },
);

test("connections that were made together are not renewed together", async () => {
  const db = openDatabase(connection, { connsMax: 20, lifetimeMs: 1_000 });
  await Promise.all(Array.from({ length: 20 }, () => db.query(sleep, [0.05], deadline())));
  const drops: number[] = [];

  // Their lifetimes are whole seconds, so that half of them live for two.
  await expect
    .poll(
      () => {
        if (db.stats().total < 20 - drops.length) drops.push(performance.now());
        return db.stats().total;
      },
      { interval: 20 },
    )
    .toBe(0);

  expect(drops.at(-1)! - drops[0]!).toBeGreaterThan(500);
});

test("a connection that ended while nobody used it costs the next caller no error", async () => {
  const proxy = await openProxy(connection);
  const db = openDatabase(proxy.connection, { connsMax: 3 });
  await Promise.all(Array.from({ length: 3 }, () => db.query(sleep, [0.05], deadline())));

  proxy.endIdle();
  const answers = await Promise.all(Array.from({ length: 6 }, () => db.query(ask, [], deadline())));

  expect(answers).toEqual(Array.from({ length: 6 }, () => [{ one: 1 }]));
});

test("a connection that was idle for long is asked for a sign of life before it is used", async () => {
  const proxy = await openProxy(connection);
  const db = openDatabase(proxy.connection);
  await db.query(ask, [], deadline());
  const now = performance.now.bind(performance);
  vi.spyOn(performance, "now").mockImplementation(() => now() + 60_000);
  onTestFinished(() => void vi.restoreAllMocks());
  const asked: string[] = [];
  proxy.decide = ({ connection: id, statement: name }) => {
    asked.push(`${id} ${name}`);
    return id === 1 ? { kind: "half_open" } : undefined;
  };

  const answer = await db.query(ask, [], deadline());

  expect(answer).toEqual([{ one: 1 }]);
  expect(asked).toEqual(["1 select 1", "2 test.ask"]);
});

test("a connection that breaks silently under a call is not used again", async () => {
  const proxy = await openProxy(connection);
  const db = openDatabase(proxy.connection, { connsMax: 1 });
  proxy.decide = ({ connection: id }) => (id === 1 ? { kind: "half_open" } : undefined);

  const broken = await reasonOf(db.query(ask, [], deadline(AbortSignal.timeout(100), 100)));
  const next = await db.query(ask, [], deadline());

  expect(broken).toMatchObject({ name: "TimeoutError" });
  expect(next).toEqual([{ one: 1 }]);
});

test("a write does not go out on a connection whose node drains, and is not in doubt", async () => {
  const proxy = await openProxy(connection);
  const db = openDatabase(proxy.connection);
  const touch = statement<never>("test.touch", "update secrets set value = value where name = $1::text");
  const seen: string[] = [];
  proxy.decide = ({ statement: name }) => {
    seen.push(name);
    return name === "test.ask" ? { kind: "drain" } : undefined;
  };

  const drained = await reasonOf(db.query(ask, [], { ...deadline(), attemptsMax: 1 }));
  await db.query(touch, ["page_tokens"], deadline());

  expect(drained).toMatchObject({ reason: "DATABASE_UNAVAILABLE" });
  expect(seen).toEqual(["test.ask", "test.touch"]);
});

test.each([
  ["refuse", { kind: "unavailable", reason: "DATABASE_UNAVAILABLE" }],
  ["too_many_connections", { kind: "exhausted", reason: "DATABASE_OVERLOADED" }],
] as const)("a database that does '%s' fails the calls until it stops", async (mode, error) => {
  const proxy = await openProxy(connection);
  const db = openDatabase(proxy.connection);

  proxy.refuse(mode);
  const refused = await reasonOf(db.query(ask, [], deadline(undefined, 300)));
  const waiting = db.query(ask, [], deadline());
  proxy.refuse(undefined);

  expect(refused).toMatchObject(error);
  expect(await waiting).toEqual([{ one: 1 }]);
});

test("a connection that is given back with an open transaction is destroyed", async () => {
  const pool = createPool(connection, engine, limits);
  const checkout = await pool.checkOut(deadline());
  await checkout.client.query("begin");

  checkout.release(true);

  expect(pool.stats()).toMatchObject({ total: 0, idle: 0, used: 0 });
  await pool[Symbol.asyncDispose]();
});
