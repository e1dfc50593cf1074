import type pg from "pg";
import { afterAll, expect, test } from "vitest";
import { reachDatabase } from "../src/db/engine/reach.ts";
import { migrate } from "../src/db/migrate/migrate.ts";
import { ask, connect, startScratchClusters, type Answer } from "./support/cockroach/scratch.ts";
import { reasonOf } from "./support/pools.ts";
import { version } from "./support/cockroach/translate.ts";

const clusters = await startScratchClusters();
afterAll(() => clusters[Symbol.asyncDispose]());

test("says that it is CockroachDB, and emulated", async () => {
  const cluster = await clusters.start();

  expect(await reachDatabase(cluster.connection)).toEqual({
    engine: "cockroachdb",
    text: "CockroachDB CCL v25.2.0-emulated",
  });
  expect(version).toContain("emulated");
});

test("takes the migrations and statements of CockroachDB, once", async () => {
  const cluster = await clusters.start();

  const first = await migrate(cluster.connection, { engine: "cockroachdb" });
  const second = await migrate(cluster.connection, { engine: "cockroachdb" });

  expect(first.length).toBeGreaterThan(0);
  expect(second).toEqual([]);
  expect([...cluster.counts.refused]).toEqual([]);
});

const cluster = () => clusters.start();

test("a migration that CockroachDB refuses is named with its line, and is repeated from its start", async () => {
  const { connection } = await cluster();
  const [table, wrong] = ["create table if not exists a (b text);", "lock table a;"];
  const migrateBy = async (sql: string): Promise<unknown> => {
    const directory = await clusters.writeMigrations({ "0001_a.sql": sql });
    return reasonOf(migrate(connection, { engine: "cockroachdb", directory }));
  };

  const failed = await migrateBy(`${table}\n${wrong}`);
  const mended = await migrateBy(table);

  expect((failed as Error).message).toMatch(/^migration 0001_a failed: at or near "lock": syntax error/);
  expect(mended).toBe("it did not fail");
});

test.each<[what: string, text: string, answer: unknown, values?: readonly unknown[]]>([
  ["integers", "select 1, 1::int4, array_length(array[3], 1)", { rows: [["1", 1, "1"]] }],
  [
    "integers behind a name",
    "with a as (select 1 as b, 2::int4 as c) select b, c from a",
    { rows: [["1", 2]] },
  ],
  ["sums of integers", "select sum(a) from (values (1), (2)) as t (a)", { rows: [["3"]] }],
  ["parts of dates", "select extract(epoch from '1970-01-01 00:00:01Z'::timestamptz)", { rows: [[1]] }],
  ["advisory locks, which lock nothing", "select pg_try_advisory_lock(1)", { rows: [[true]] }],
  ["activity, which it does not show", "select query from pg_stat_activity", { rows: [] }],
  ["its own variables", "show plan_cache_mode", { rows: [["auto"]] }],
  ["its own variables by name", "select current_setting('autocommit_before_ddl')", { rows: [["on"]] }],
  [
    "a cast placeholder",
    "select $1::int8 * interval '1 second' = interval '2 seconds'",
    { rows: [[true]] },
    [2],
  ],
])("answers %s as CockroachDB does", async (_, text, answer, values) => {
  const client = await connect((await cluster()).connection);

  expect(await ask(client, text, values)).toEqual(answer);
});

test.each<[what: string, text: string, code: string, values?: readonly unknown[]]>([
  ["a placeholder beside an interval", "select $1 * interval '1 second'", "22023", [1]],
  ["a placeholder without a type", "select $1", "42P18", [1]],
  ["two writes to a table", "with a as (update b set c = 1) delete from b", "0A000"],
  ["a notification", "notify a", "0A000"],
  ["a subscription", "listen a", "0A000"],
  ["a table lock", "lock table a", "42601"],
  ["a domain", "create domain a as text", "0A000"],
  ["a temporary table", "create temporary table a (b text)", "0A000"],
  ["a deferrable constraint", "create table a (b int8 unique deferrable)", "0A000"],
  ["a function of PostgreSQL alone", "select pg_terminate_backend(1)", "42883"],
  ["a system column", "select xmin from pg_class", "42703"],
  ["a variable of PostgreSQL alone", "set enable_bitmapscan = off", "0A000"],
  ["a variable of nobody", "set a = 1", "42704"],
  ["SQL of PostgreSQL alone", "drop database a with (force)", "42601"],
  ["no SQL", "selec", "42601"],
])("refuses %s", async (_, text, code, values) => {
  const { connection, counts } = await cluster();
  const client = await connect(connection);

  const answer = await ask(client, text, values);

  expect(answer).toEqual({ code, severity: "ERROR" });
  expect([...counts.refused]).toEqual([[code, 1]]);
});

test("a refusal fails the transaction that it happens in", async () => {
  const client = await connect((await cluster()).connection);
  await client.query("begin");

  await ask(client, "listen a");

  expect(await ask(client, "select 1")).toEqual({ code: "25P02", severity: "ERROR" });
});

test("parameters at the start that are of PostgreSQL alone are no error, and its own are taken", async () => {
  const { connection } = await cluster();

  const client = await connect(connection, {
    enable_bitmapscan: "off",
    nothing: 1,
    plan_cache_mode: "force_custom_plan",
  });

  expect(await ask(client, "show plan_cache_mode")).toEqual({ rows: [["force_custom_plan"]] });
});

test("a table that is read from end to end is counted, and refused where that is asked for", async () => {
  const { connection, counts } = await cluster();
  const client = await connect(connection);
  await client.query("create table a (id int8 primary key, b text)");

  const answers = [
    await ask(client, "select id from a where id = 1"),
    await ask(client, "select id from a where b = 'c'"),
  ];
  await client.query("set disallow_full_table_scans = on");
  const refused = await ask(client, "select id from a where b = 'c'");

  expect(answers).toEqual([{ rows: [] }, { rows: [] }]);
  expect(refused).toEqual({ code: "P0003", severity: "ERROR" });
  expect([...counts.fullScans]).toEqual([["select id from a where b = 'c'", ["a"]]]);
});

test("a database that is being migrated takes no index from the tables of another one", async () => {
  const { connection } = await cluster();
  const table = "create table if not exists a (id int8, b text, constraint a_pkey primary key (id))";
  const index = "create index if not exists a_b_idx on a (b)";
  const client = await connect(connection);
  for (const text of [table, index, "set disallow_full_table_scans = on"]) await client.query(text);
  await client.query("create database another");
  const migrating = await connect({ ...connection, database: "another" });

  await migrating.query(table);
  const during = await ask(client, "select id from a where b = 'c'");
  await migrating.query(index);

  expect([during, await ask(client, "select id from a where b = 'c'")]).toEqual([{ rows: [] }, { rows: [] }]);
});

test("a change of the schema commits what came before it in the transaction", async () => {
  const { connection } = await cluster();
  const [client, other] = [await connect(connection), await connect(connection)];
  await client.query("create table a (b text)");

  await client.query("begin");
  await client.query("insert into a (b) values ('c')");
  await client.query("create table d (e text)");

  expect(await ask(other, "select b from a")).toEqual({ rows: [["c"]] });
  expect(client.getTransactionStatus()).toBe("I");
});

test("statements that meet each other run again without their clients' knowledge, transactions do not", async () => {
  const { connection, counts } = await cluster();
  const clients = await Promise.all(Array.from({ length: 8 }, () => connect(connection)));
  await clients[0]!.query("create table a (id int8 primary key, b int8 not null)");
  await clients[0]!.query("insert into a (id, b) values (1, 0)");
  const add = "update a set b = b + 1 where id = 1";

  for (let round = 0; round < 5; round++)
    await Promise.all(clients.map((client) => client.query({ name: "add", text: add })));
  const retried = counts.retried;
  const [one, two] = clients as [pg.Client, pg.Client];
  for (const client of [one, two]) await client.query("begin");
  for (const client of [one, two]) await client.query("select b from a where id = 1");
  await one.query(add);
  await one.query("commit");
  const met = await two.query(add).catch((error: unknown) => error);

  expect(retried).toBeGreaterThan(0);
  expect((await one.query<{ b: string }>("select b from a")).rows).toEqual([{ b: "41" }]);
  expect(met).toMatchObject({
    code: "40001",
    message: expect.stringMatching(/^restart transaction: /) as string,
  });
});

test("a deadlock is reported as a transaction that is to be run again", async () => {
  const { connection } = await cluster();
  const [one, two] = [await connect(connection), await connect(connection)];
  await one.query("create table a (id int8 primary key)");
  await one.query("insert into a (id) values (1), (2)");
  const lock = (client: pg.Client, id: number): Promise<Answer> =>
    ask(client, `select id from a where id = ${id} for update`);
  for (const client of [one, two]) await client.query("begin");
  await lock(one, 1);
  await lock(two, 2);

  const answers = await Promise.all([lock(one, 2), lock(two, 1)]);

  expect(answers).toContainEqual({ code: "40001", severity: "ERROR" });
});
