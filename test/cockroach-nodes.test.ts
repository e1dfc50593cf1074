import { once } from "node:events";
import net, { type AddressInfo } from "node:net";
import pg from "pg";
import { afterAll, expect, onTestFinished, test } from "vitest";
import type { Connection } from "../src/config.ts";
import { toClientConfig } from "../src/db/engine/connection.ts";
import { databaseOf, type Database } from "../src/db/engine/database.ts";
import { createPool, type Pool } from "../src/db/engine/pool.ts";
import { migrate } from "../src/db/migrate/migrate.ts";
import { createReadiness } from "../src/db/migrate/readiness.ts";
import { endSession } from "../src/db/engine/session.ts";
import { statement } from "../src/db/engine/statement.ts";
import { nodeOf, startScratchClusters } from "./support/cockroach/scratch.ts";
import { deadline, limits, reasonOf } from "./support/pools.ts";

const clusters = await startScratchClusters();
afterAll(() => clusters[Symbol.asyncDispose]());

const ask = statement<{ one: number }>("test.ask", "select 1::int4 as one");

function openPool(connection: Connection): Pool {
  const pool = createPool(connection, "cockroachdb", limits);
  onTestFinished(() => pool[Symbol.asyncDispose]());
  return pool;
}

function openDatabase(connection: Connection): Database {
  const db = databaseOf(createPool(connection, "cockroachdb", limits));
  onTestFinished(() => db[Symbol.asyncDispose]());
  return db;
}

async function refusalOf(connection: Connection): Promise<unknown> {
  const client = new pg.Client(toClientConfig(connection));
  client.on("error", () => {});
  const reason = await reasonOf(client.connect());
  if (!(reason instanceof Error)) await client.end();
  return reason instanceof Error ? (reason as pg.DatabaseError).code : reason;
}

/** Leads to a database whose connections are made so many milliseconds later. */
async function openFarAway(connection: Connection, ms: number): Promise<Connection> {
  const listener = net.createServer((client) => {
    const upstream = net.connect({ host: connection.host, port: connection.port });
    client.on("error", () => upstream.destroy());
    upstream.on("error", () => client.destroy()).pipe(client);
    setTimeout(() => client.pipe(upstream), ms).unref();
  });
  await once(listener.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => void listener.close());
  return { ...connection, host: "127.0.0.1", port: (listener.address() as AddressInfo).port };
}

test("sessions of calls are planned for their values, and are refused no setting", async () => {
  const cluster = await clusters.start();
  const { client, release } = await openPool(cluster.connection).checkOut(deadline());

  const { rows } = await client.query("show plan_cache_mode");

  release(true);
  expect(rows).toEqual([{ plan_cache_mode: "force_custom_plan" }]);
});

test("a node that drains ends its idle connections with 57P01, whose severity is ERROR, and takes no others", async () => {
  const cluster = await clusters.start();
  const client = new pg.Client(toClientConfig(nodeOf(cluster, 1)));
  await client.connect();
  const told = new Promise((resolve) => client.on("error", resolve));

  cluster.drain(1);

  expect(await told).toMatchObject({ code: "57P01", severity: "ERROR" });
  expect(await refusalOf(nodeOf(cluster, 1))).toBe("57P01");
  expect(await refusalOf(nodeOf(cluster, 2))).toBe("it did not fail");
  await cluster.revive(1);
  expect(await refusalOf(nodeOf(cluster, 1))).toBe("it did not fail");
});

test("a statement that a draining node does not run leaves a connection that no other call gets", async () => {
  const cluster = await clusters.start({ noticeMs: 60_000 });
  const db = openDatabase(cluster.connection);
  await db.query(ask, [], deadline());

  cluster.drain(1);
  const drained = await reasonOf(db.query(ask, [], { ...deadline(), attemptsMax: 1 }));
  const { total } = db.stats();
  const next = await db.query(ask, [], deadline());

  expect(drained).toMatchObject({ reason: "DATABASE_UNAVAILABLE" });
  expect(total).toBe(0);
  expect(next).toEqual([{ one: 1 }]);
});

test("a transaction goes on, on a node that drains, to its end", async () => {
  const cluster = await clusters.start();
  const client = new pg.Client(toClientConfig(nodeOf(cluster, 1)));
  client.on("error", () => {});
  await client.connect();
  await client.query("create table a (b text)");
  await client.query("begin");
  await client.query("insert into a (b) values ('c')");

  cluster.drain(1);
  const ended = new Promise((resolve) => client.once("end", resolve));
  await client.query("insert into a (b) values ('d')");
  await client.query("commit");
  await ended;

  const other = openDatabase(nodeOf(cluster, 2));
  const count = statement<{ n: number }>("test.count", "select count(b)::int4 as n from a");
  expect(await other.query(count, [], deadline())).toEqual([{ n: 2 }]);
});

test("a node that has died takes no connections, and calls go on with the others", async () => {
  const cluster = await clusters.start();
  const db = openDatabase(cluster.connection);
  await db.query(ask, [], deadline());

  await cluster.kill(1);

  expect(await db.query(ask, [], deadline())).toEqual([{ one: 1 }]);
  expect(await refusalOf(nodeOf(cluster, 1))).toBe("ECONNREFUSED");
});

test("while a node fails, connections are made also where that takes longer than they usually may then", async () => {
  const cluster = await clusters.start();
  const pool = openPool(await openFarAway(cluster.connection, 700));
  const { release } = await pool.checkOut(deadline());

  release(false, "leaving");

  expect(await databaseOf(pool).query(ask, [], deadline(undefined, 5_000))).toEqual([{ one: 1 }]);
});

test("a node that hangs with the connection that asks for readiness leaves the service ready", async () => {
  const cluster = await clusters.start();
  const directory = await clusters.writeMigrations({ "0001_a.sql": "create table a (b text);" });
  await migrate(cluster.connection, { engine: "cockroachdb", directory });
  await using readiness = await createReadiness(cluster.connection, "cockroachdb", directory);
  const before = await readiness.check();
  const [asked] = [...cluster.sessions()].find(([, sessions]) => sessions.length > 0)!;

  cluster.hang(asked);

  expect([before, await readiness.check()]).toEqual([undefined, undefined]);
});

test("a session on a node that cannot be asked is not known to have ended, until the node is back or given up", async () => {
  const cluster = await clusters.start({ livenessMs: 300 });
  const [own, other] = [openPool(nodeOf(cluster, 1)), openPool(nodeOf(cluster, 2))];
  const [mine, theirs] = [await own.checkOut(deadline()), await other.checkOut(deadline())];
  const end = (): Promise<unknown> =>
    endSession(mine.client, "cockroachdb", theirs.session).catch(({ code }: pg.DatabaseError) => code);

  cluster.hang(2);
  const list = `select node_id::int4 as node from [show all cluster sessions] where session_id is null`;
  const unknown = (await mine.client.query(list)).rows;
  const whileHung = await end();
  await cluster.kill(2);
  const whileDead = await end();
  await expect.poll(async () => (await mine.client.query(list)).rows).toEqual([]);
  const afterwards = await end();

  mine.release(true);
  theirs.release(false);
  expect(unknown).toEqual([{ node: 2 }]);
  expect([whileHung, whileDead, afterwards]).toEqual(["XXUUU", "XXUUU", true]);
});

test("a session with an id of another form is not asked for", async () => {
  const cluster = await clusters.start();
  const { client, session, release } = await openPool(cluster.connection).checkOut(deadline());

  const failed = await reasonOf(endSession(client, "cockroachdb", { ...session, id: "' or true --" }));

  release(true);
  expect(failed).toEqual(new Error("the server has given a session an id of another form"));
});

test("a session whose node cannot be asked any more once it was cancelled is not taken for ended", async () => {
  const cluster = await clusters.start();
  const [own, other] = [openPool(nodeOf(cluster, 1)), openPool(nodeOf(cluster, 2))];
  const [mine, theirs] = [await own.checkOut(deadline()), await other.checkOut(deadline())];
  const query = mine.client.query.bind(mine.client) as (text: string) => Promise<pg.QueryResult>;
  // The node is lost between the two statements.
  const client = {
    query: async (text: string) => {
      if (text.startsWith("cancel")) {
        cluster.hang(2);
        return { rows: [] };
      }
      return query(text);
    },
  } as unknown as pg.ClientBase;

  const ended = await endSession(client, "cockroachdb", theirs.session);

  await cluster.revive(2);
  const later = await endSession(mine.client, "cockroachdb", theirs.session);
  mine.release(true);
  theirs.release(false);
  expect([ended, later]).toEqual([false, true]);
});
