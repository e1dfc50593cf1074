import { once } from "node:events";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import pg from "pg";
import { afterAll, expect, test } from "vitest";
import { toClientConfig } from "../src/db/engine/connection.ts";
import { migrate } from "../src/db/migrate/migrate.ts";
import { execute } from "./support/databases.ts";
import { refusalOf, startMain, toUrl } from "./support/main.ts";
import { run } from "./support/processes.ts";
import { startProxy } from "./support/proxy.ts";
import { startScratch } from "./support/scratch.ts";

const engine = "postgresql";

const scratch = await startScratch();
afterAll(() => scratch[Symbol.asyncDispose]());

test("a start waits for a database that is away, says so, and is alive meanwhile", async () => {
  await using proxy = await startProxy(await scratch.createDatabase());
  proxy.refuse("refuse");
  const admin = await findFreeAddress();
  await using service = startMain({ DATABASE_URL: toUrl(proxy.connection), ADMIN_ADDR: admin });
  const log = await service.logged("waiting for it");

  const probes = await Promise.all(["livez", "readyz"].map((name) => fetch(`http://${admin}/${name}`)));
  proxy.refuse(undefined);
  const text = await service.printed("Try:");

  expect(log).toMatch(/"msg":"the database at \S+ cannot be reached: .+; waiting for it, 30 s at most"/);
  expect(probes.map(({ status }) => status)).toEqual([200, 503]);
  expect(text).toContain("commerce-core is ready");
});

test("a start that has waited for as long as it may ends with 1 and the reason", async () => {
  const line = await refusalOf({
    DATABASE_URL: "postgres://ada@127.0.0.1:1/commerce",
    DATABASE_WAIT_MAX: "300ms",
    LOG_LEVEL: "error",
  });

  expect(line).toBe("the database at 127.0.0.1:1 cannot be reached: nothing listens there (ECONNREFUSED)");
});

test("SIGTERM ends a start that waits with 0", async () => {
  await using service = startMain({
    DATABASE_URL: "postgres://ada@127.0.0.1:1/commerce",
    DATABASE_WAIT_MAX: "1h",
  });
  await service.logged("waiting for it");

  service.signal("SIGTERM");
  const { code, stdout } = await service.ended;

  expect([code, stdout]).toEqual([0, "stopped before it was ready\n"]);
});

test("SIGTERM ends a start that connects to a host that does not answer with 0", async () => {
  await using silent = createServer((socket) => socket.resume()).listen(0, "127.0.0.1");
  await once(silent, "listening");
  const { port } = silent.address() as AddressInfo;
  const connected = once(silent, "connection");
  await using service = startMain({ DATABASE_URL: `postgres://ada@127.0.0.1:${port}/commerce` });
  await connected;

  service.signal("SIGTERM");
  const { code, stdout } = await service.ended;

  expect([code, stdout]).toEqual([0, "stopped before it was ready\n"]);
});

test("SIGTERM before the modules are loaded ends it with 0", async () => {
  const url = toUrl(await scratch.createDatabase());
  const preload = `
    import { registerHooks } from "node:module";
    registerHooks({
      load(url, context, next) {
        if (url.endsWith("/src/process.ts")) process.kill(process.pid, "SIGTERM");
        return next(url, context);
      },
    });`;
  const args = ["--import", `data:text/javascript,${encodeURIComponent(preload)}`, "src/main.ts"];

  await using service = run(process.execPath, args, {
    DATABASE_URL: url,
    ADMIN_ADDR: "127.0.0.1:0",
    WELCOME: "true",
  });
  const ended = await service.ended;

  expect(ended).toEqual({ code: 0, signal: null, stdout: "stopped before it was ready\n", stderr: "" });
});

test("an older release starts on the schema of a newer one, is ready and warns", async () => {
  const database = await scratch.createDatabase();
  await migrate(database, { engine });
  await execute(database, "insert into schema_migrations values ('0999_future', 'of a newer release')");
  const admin = await findFreeAddress();

  await using service = startMain({ DATABASE_URL: toUrl(database), ADMIN_ADDR: admin });
  await service.printed("Try:");
  const { status } = await fetch(`http://${admin}/readyz`);
  service.signal("SIGTERM");
  const { code, stderr } = await service.ended;

  expect([code, status]).toEqual([0, 200]);
  expect(stderr).toContain("the database has a migration of a newer release, 0999_future: ");
});

test("a start is not ready before its ports listen", async () => {
  const database = await scratch.createDatabase();
  await migrate(database, { engine });
  const holder = new pg.Client(toClientConfig(database));
  await holder.connect();
  await holder.query("begin");
  await holder.query("insert into secrets (name, value) values ('login_attempts', '')");
  const admin = await findFreeAddress();
  await using service = startMain({ DATABASE_URL: toUrl(database), ADMIN_ADDR: admin });
  const waiting = `select query from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`;
  await expect.poll(() => execute(database, waiting)).toHaveLength(1);

  const during = await fetch(`http://${admin}/readyz`);
  await holder.end();
  await service.printed("Try:");
  const after = await fetch(`http://${admin}/readyz`);

  expect([during.status, await during.json()]).toEqual([503, { ready: false, reason: "starting" }]);
  expect(after.status).toBe(200);
});

test("MIGRATE=check fails where a migration is lacking, naming it and the command", async () => {
  const database = await scratch.createDatabase();
  await migrate(database, { engine });
  await execute(database, "delete from schema_migrations where version = '0008_refusals'");

  const line = await refusalOf({ DATABASE_URL: toUrl(database), MIGRATE: "check" });

  expect(line).toBe("the database lacks 0008_refusals: run `npm run migrate`, or start with MIGRATE=apply");
});

test("MIGRATE=check starts where nothing is lacking", async () => {
  const database = await scratch.createDatabase();
  await migrate(database, { engine });

  await using service = startMain({ DATABASE_URL: toUrl(database), MIGRATE: "check" });

  expect(await service.printed("Try:")).toContain("commerce-core is ready");
});

test("MIGRATE=off starts where a migration is lacking, and readiness names it", async () => {
  const database = await scratch.createDatabase();
  await migrate(database, { engine });
  await execute(database, "delete from schema_migrations where version = '0008_refusals'");
  const admin = await findFreeAddress();

  await using service = startMain({ DATABASE_URL: toUrl(database), ADMIN_ADDR: admin, MIGRATE: "off" });
  await service.printed("Try:");
  const response = await fetch(`http://${admin}/readyz`);

  expect([response.status, await response.json()]).toEqual([
    503,
    { ready: false, reason: "migration 0008_refusals is not applied" },
  ]);
});

test("MIGRATE=off fails where a start finds no table that it needs, naming the command", async () => {
  const database = await scratch.createDatabase();

  const line = await refusalOf({ DATABASE_URL: toUrl(database), MIGRATE: "off" });

  expect(line).toBe(
    "the database lacks the table of secrets: run `npm run migrate`, or start with MIGRATE=apply",
  );
});

test("the PG* variables of other programs reach no connection", async () => {
  const database = await scratch.createDatabase();
  await execute(database, "create schema other");

  await using service = startMain({
    DATABASE_URL: toUrl(database),
    PGOPTIONS: "-c search_path=other",
    PGHOST: "nowhere.invalid",
    PGPORT: "1",
    PGUSER: "mallory",
    PGDATABASE: "nowhere",
    PGPASSWORD: "wrong-horse",
    PGSSLMODE: "require",
    PGSSLNEGOTIATION: "direct",
    PGAPPNAME: "other",
    PGCLIENT_ENCODING: "LATIN1",
  });
  await service.printed("Try:");
  const schemas = await execute(
    database,
    "select distinct schemaname as name from pg_tables where tablename in ('schema_migrations', 'users')",
  );

  expect(schemas).toEqual([{ name: "public" }]);
});

test("a password comes from the configuration alone", async () => {
  const { password, ...database } = await scratch.createDatabase();
  await using home = await mkdtempDisposable(path.join(tmpdir(), "commerce-home-"));
  const passFile = path.join(home.path, "pgpass");
  await writeFile(passFile, `*:*:*:*:${password}\n`, { mode: 0o600 });

  const line = await refusalOf({
    DATABASE_URL: toUrl(database),
    PGPASSWORD: password,
    PGPASSFILE: passFile,
  });

  expect(line).toMatch(/ refuses the service: it asks for a password and none is configured; /);
});

/** An address that was free a moment ago. */
async function findFreeAddress(): Promise<string> {
  await using probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  return `127.0.0.1:${(probe.address() as AddressInfo).port}`;
}
