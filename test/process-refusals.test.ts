import { once } from "node:events";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { migrate } from "../src/db/migrate/migrate.ts";
import { execute } from "./support/databases.ts";
import { refusalOf, toUrl } from "./support/main.ts";
import { runToEnd } from "./support/processes.ts";
import { startScratch } from "./support/scratch.ts";

const closedPort = "127.0.0.1:1";

/** A database server that belongs to none of the processes. */
const scratch = await startScratch();
afterAll(() => scratch[Symbol.asyncDispose]());

test("a bad environment ends it with 2 and one message that names every bad variable", async () => {
  const ended = await runToEnd(process.execPath, ["src/main.ts"], {
    GRPC_ADDR: "nonsense",
    CALL_DEADLINE_MAX: "tomorrow",
    CRDB_MAX_CON: "5",
    DATABASE_URL: "mysql://ada:correct-horse@localhost/commerce",
    TLS_CERT_FILE: "/nowhere/cert.pem",
  });

  const [title, ...problems] = ended.stderr.trimEnd().split("\n");
  expect(ended).toMatchObject({ code: 2, stdout: "" });
  expect(title).toBe("The configuration is wrong:");
  expect(problems.map((problem) => problem.split(":")[0]!.trim()).toSorted()).toEqual([
    "CALL_DEADLINE_MAX",
    "CRDB_MAX_CON",
    "DATABASE_URL",
    "GRPC_ADDR",
    "TLS_CERT_FILE",
  ]);
  expect(ended.stderr).not.toMatch(/correct-horse|^\s+at /m);
});

test("a port in use ends it with 1 and a line that names the address", async () => {
  await using other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as AddressInfo;

  const line = await refusalOf({
    DATABASE_URL: toUrl(await scratch.createDatabase()),
    LOG_LEVEL: "warn",
    GRPC_ADDR: `127.0.0.1:${port}`,
  });

  expect(line).toBe(`cannot listen on 127.0.0.1:${port} (GRPC_ADDR): the port is in use`);
});

test("a database that is away ends it with 1 and a line without the password", async () => {
  const line = await refusalOf({
    DATABASE_URL: `postgres://ada:correct-horse@${closedPort}/commerce`,
    DATABASE_WAIT_MAX: "0s",
  });

  expect(line).toBe(`the database at ${closedPort} cannot be reached: nothing listens there (ECONNREFUSED)`);
});

test("a refused password ends it with 1 and a line without the password", async () => {
  const connection = { ...(await scratch.createDatabase()), password: "wrong-horse" };

  const line = await refusalOf({ DATABASE_URL: toUrl(connection) });

  expect(line).toMatch(
    /^the database at \S+ refuses the service: password authentication failed for user "commerce": correct /,
  );
});

test("another engine than the configured one ends it with 1 and a line", async () => {
  const url = toUrl(await scratch.createDatabase());

  const line = await refusalOf({ DATABASE_URL: url, DATABASE_ENGINE: "cockroachdb" });

  expect(line).toBe("the database is PostgreSQL 18.4, and the configuration says cockroachdb");
});

test("a migration that was edited after it was applied ends it with 1 and a line that names it", async () => {
  const connection = await scratch.createDatabase();
  await migrate(connection, { engine: "postgresql" });
  await execute(
    connection,
    "update schema_migrations set checksum = 'edited' where version = '0002_products'",
  );

  const line = await refusalOf({ DATABASE_URL: toUrl(connection) });

  expect(line).toMatch(/^migration 0002_products was changed after it was applied: .* applied was edited; /);
});

test("a data directory that cannot be used ends it with 1 and a line that names it", async () => {
  await using base = await mkdtempDisposable(path.join(tmpdir(), "commerce-refusals-"));
  const file = path.join(base.path, "file");
  await writeFile(file, "");
  const directory = path.join(file, "data");

  const line = await refusalOf({ DATA_DIR: directory });

  expect(line).toBe(
    `data directory ${directory} cannot be used: ENOTDIR: not a directory, mkdir '${directory}'`,
  );
});
