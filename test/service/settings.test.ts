import { expect, onTestFinished, test } from "vitest";
import { statement } from "../../src/db/engine/statement.ts";
import { createTestDatabase, execute } from "../support/databases.ts";
import { deadline, openDatabase, reasonOf } from "../support/pools.ts";
import { openShop } from "../support/shop.ts";

const readInstant = statement<{ at: bigint }>(
  "test.instant",
  "select timestamptz '2026-01-31 12:00:00.123456+00' as at",
);
/** Leaves a row, and answers what is no amount of money. */
const misanswer = statement(
  "test.misanswer",
  "insert into answers (name) values ($1) returning 'NaN'::decimal as amount",
);

test("an answer that cannot be read is an error of ours, never an outcome that is not known", async () => {
  const { connection, ...database } = await createTestDatabase();
  onTestFinished(() => database[Symbol.asyncDispose]());
  await execute(connection, "create table answers (name text primary key)");
  const db = openDatabase(connection);

  const failed = await reasonOf(db.query(misanswer, ["once"], deadline()));

  expect(failed).toMatchObject({ name: "DecodeError", message: "a value from the database cannot be read" });
  expect(await execute(connection, "select name from answers")).toEqual([{ name: "once" }]);
  // The connection goes on.
  expect(db.stats()).toMatchObject({ total: 1, idle: 1 });
});

test("reads instants whatever the database's way of writing dates is", async ({ skip }) => {
  const { connection, engine, ...database } = await createTestDatabase();
  onTestFinished(() => database[Symbol.asyncDispose]());
  skip(engine === "cockroachdb", "it writes dates in ISO's way alone");
  await execute(connection, `alter database ${connection.database} set datestyle = 'German'`);
  await execute(connection, `alter database ${connection.database} set timezone = 'Asia/Tokyo'`);
  const db = openDatabase(connection);

  const rows = await db.query(readInstant, [], deadline());

  expect(rows).toEqual([{ at: BigInt(Date.UTC(2026, 0, 31, 12)) * 1000n + 123_456n }]);
});

test("serves calls whatever the database gives to its sessions", async ({ skip }) => {
  await using shop = await openShop();
  const { connection } = shop;
  skip(
    shop.config.database.kind === "remote" && shop.config.database.engine === "cockroachdb",
    "its settings are others",
  );
  const settings = {
    datestyle: "SQL, DMY",
    intervalstyle: "sql_standard",
    timezone: "Asia/Tokyo",
    client_encoding: "LATIN1",
    array_nulls: "off",
    bytea_output: "escape",
    default_transaction_isolation: "serializable",
    enable_indexscan: "off",
    enable_nestloop: "off",
    extra_float_digits: "-15",
    lock_timeout: "1",
    statement_timeout: "1",
  };
  for (const [name, value] of Object.entries(settings))
    await execute(connection, `alter database ${connection.database} set ${name} = '${value}'`);
  const sessions = `select pg_terminate_backend(pid, 5000) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()`;
  await execute({ ...connection, options: "-c statement_timeout=0" }, sessions);

  const user = await shop.user();
  const product = await shop.product(3n);
  const order = await shop.order([product], 2, user.id);
  const read = await shop.orders.getOrder({ id: order.id });

  expect(read.order).toEqual(order);
  expect(order.total).toMatchObject({ units: 19n, nanos: 980_000_000 });
});
