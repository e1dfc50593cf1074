import { once } from "node:events";
import net, { type AddressInfo } from "node:net";
import { afterAll, expect, onTestFinished, test, vi } from "vitest";
import { connect } from "../../src/db/engine/connection.ts";
import { createPool } from "../../src/db/engine/pool.ts";
import { statement } from "../../src/db/engine/statement.ts";
import { createTestDatabase, execute } from "../support/databases.ts";
import { deadline, limits, openDatabase, reasonOf } from "../support/pools.ts";

const { connection, engine, ...database } = await createTestDatabase();
afterAll(() => database[Symbol.asyncDispose]());

/** What sessions of calls have, and what a database could give them instead. */
const settings: Readonly<Record<string, readonly [own: string, given: string]>> = {
  DateStyle: ["ISO, MDY", "German"],
  TimeZone: ["UTC", "Asia/Tokyo"],
  array_nulls: ["on", "off"],
  client_encoding: ["UTF8", "LATIN1"],
  default_transaction_isolation: ["read committed", "serializable"],
  enable_bitmapscan: ["off", "on"],
  enable_indexonlyscan: ["on", "off"],
  enable_indexscan: ["on", "off"],
  enable_nestloop: ["on", "off"],
  enable_seqscan: ["off", "on"],
  idle_in_transaction_session_timeout: ["10s", "1h"],
  lock_timeout: ["0", "1h"],
  plan_cache_mode: ["force_generic_plan", "auto"],
  statement_timeout: ["2min", "1h"],
};

test("sessions have the settings that calls need, whatever the database gives to others", async ({
  skip,
}) => {
  skip(engine === "cockroachdb", "its settings are others");
  for (const [name, [, given]] of Object.entries(settings))
    await execute(connection, `alter database ${connection.database} set ${name} = '${given}'`);
  await using pool = createPool(connection, engine, limits);
  const { client, release } = await pool.checkOut(deadline());

  const { rows } = await client.query<{ name: string; setting: string }>(
    "select name, current_setting(name) as setting from pg_settings where name = any($1::text[])",
    [Object.keys(settings)],
  );

  release(true);
  expect(rows.filter(({ name, setting }) => !setting.startsWith(settings[name]![0]))).toEqual([]);
  expect(rows).toHaveLength(Object.keys(settings).length);
});

/** A server that takes connections and says nothing. */
async function openSilence(): Promise<{ readonly port: number; readonly begun: Promise<unknown> }> {
  const sockets: net.Socket[] = [];
  const listener = net.createServer((socket) => void sockets.push(socket.on("error", () => {})));
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    listener.close();
  });
  return { port: (listener.address() as AddressInfo).port, begun: once(listener, "connection") };
}

test.each<[string, number, (port: number, signal: AbortSignal) => Promise<unknown>]>([
  [
    "of a call",
    2_000,
    async (port, signal) => {
      const pool = createPool({ ...connection, host: "127.0.0.1", port }, engine, limits);
      return pool.checkOut(deadline(signal, 60_000));
    },
  ],
  [
    "of the service itself",
    10_000,
    (port, signal) => connect({ ...connection, host: "127.0.0.1", port }, { purpose: "test", signal }),
  ],
])("a connection %s that is not answered is given up after %i ms", async (_, ms, open) => {
  const { port, begun } = await openSilence();
  const giveUp = new AbortController();
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  let ended = 0;
  const failed = reasonOf(open(port, giveUp.signal)).finally(() => ended++);
  await begun;

  vi.advanceTimersByTime(ms - 1);
  await new Promise((resolve) => setImmediate(resolve));
  const before = ended;
  vi.advanceTimersByTime(1);
  await vi.waitUntil(() => ended > 0, { timeout: 1_000 }).catch(() => giveUp.abort(new Error("waits on")));

  expect(before).toBe(0);
  expect(await failed).toMatchObject({ message: expect.stringMatching(/timeout/) as string });
});

test("a connection of the service itself that is not wanted any more is not waited for", async () => {
  const { port, begun } = await openSilence();
  const ending = new AbortController();
  let ended: unknown;
  const options = { purpose: "test", signal: ending.signal };
  const failed = reasonOf(connect({ ...connection, host: "127.0.0.1", port }, options));
  void failed.then((error) => (ended = error));
  await begun;

  ending.abort(new Error("ended"));

  await expect.poll(() => ended, { timeout: 1_000 }).toEqual(new Error("ended"));
});

test("a statement runs under the isolation that it asks for, and under the session's by default", async () => {
  const db = openDatabase(connection);
  const text = "select current_setting('transaction_isolation') as level";
  const serializable = ["serializable", "serializable"];
  const [usual, stronger] = [
    statement<{ level: string }>("test.usual", text),
    statement<{ level: string }>("test.stronger", text, { isolation: "repeatable read" }),
  ];

  const levels = [await db.query(usual, [], deadline()), await db.query(stronger, [], deadline())];

  const expected = { postgresql: ["read committed", "repeatable read"], cockroachdb: serializable }[engine];
  expect(levels.map(([row]) => row!.level)).toEqual(expected);
});
