import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import type { Connection } from "../src/config.ts";
import { migrate } from "../src/db/migrate/migrate.ts";
import { execute } from "./support/databases.ts";
import { root } from "./support/embedded.ts";
import { startMain, toUrl } from "./support/main.ts";
import { runToEnd } from "./support/processes.ts";
import { startScratch } from "./support/scratch.ts";

const engine = "postgresql";

const scratch = await startScratch();
afterAll(() => scratch[Symbol.asyncDispose]());

test("npm run migrate says what it applied, and then that nothing is left", async () => {
  const env = { DATABASE_URL: toUrl(await scratch.createDatabase()) };

  const status = await runScript(["--status"], env);
  const first = await runScript([], env);
  const second = await runScript([], env);

  expect(status.stdout).toMatch(/^pending {2}0001_users\n/);
  expect(first.stdout.replaceAll(/\d+ ms/g, "N ms")).toMatch(/^applied 0001_users in N ms\n/);
  expect(second).toEqual({ code: 0, signal: null, stdout: "nothing to apply\n", stderr: "" });
});

test("npm run migrate names what a newer release has applied, and leaves it alone", async () => {
  const database = await scratch.createDatabase();
  await migrate(database, { engine });
  await execute(database, "insert into schema_migrations values ('0999_future', 'of a newer release')");
  const env = { DATABASE_URL: toUrl(database) };

  const status = await runScript(["--status"], env);
  const run = await runScript([], env);

  const said = "the database has a migration of a newer release, 0999_future: this one goes on without it\n";
  expect(status).toMatchObject({ code: 0, stderr: said });
  expect(status.stdout).toMatch(/\napplied {2}0005_secrets\n(.*\n)*newer {4}0999_future\n$/);
  expect(run).toEqual({ code: 0, signal: null, stdout: "nothing to apply\n", stderr: said });
});

test("npm run migrate reads the embedded database while the service runs on it", async () => {
  const base = await mkdtemp(path.join(tmpdir(), "commerce-migrate-"));
  await chmod(base, 0o755);
  const env = { DATA_DIR: path.join(base, "data"), LOG_LEVEL: "warn" };
  {
    await using service = startMain(env);
    await service.printed("Try:");

    const status = await runScript(["--status"], env);
    const run = await runScript([], env);

    expect(status).toMatchObject({ code: 0, stderr: "" });
    expect(status.stdout).toMatch(/^applied {2}0001_users\n/);
    expect(run).toEqual({ code: 0, signal: null, stdout: "nothing to apply\n", stderr: "" });
    service.signal("SIGTERM");
    expect(await service.ended).toMatchObject({ code: 0, stderr: "" });
  }
  await rm(base, { recursive: true });
});

test("the grants of docs/operations.md are enough to serve calls and to find that nothing is lacking", async () => {
  const database = await scratch.createDatabase();
  await migrate(database, { engine });
  const grants = await readGrants(database.user);
  const superuser = { ...database, user: "postgres" };
  for (const statement of grants) await execute(superuser, statement);
  const app = { ...database, user: "commerce_app", password: "choose one" };
  await execute(database, "create table later (id int4)");

  const run = await runScript([], { DATABASE_URL: toUrl(app) });
  await using service = startMain({ DATABASE_URL: toUrl(app) });
  const text = await service.printed("Try:");
  const http = /JSON +(http\S+)/.exec(text)![1]!;
  const created = await fetch(`${http}/commerce.inventory.v1.InventoryService/CreateProduct`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ name: "Lamp", onHand: 10 }),
  });

  expect(run).toEqual({ code: 0, signal: null, stdout: "nothing to apply\n", stderr: "" });
  expect(created.status).toBe(200);
  await expect(execute(app, "create table own (id int4)")).rejects.toThrow("permission denied for schema");
  expect(await execute(app, "select from later")).toEqual([]);
});

test.each([
  ["an argument that it does not know", ["--force"], {}, 2, /^Unknown option '--force'[^\n]*\n$/],
  [
    "a bad environment",
    [],
    { DATABASE_URL: "mysql://a" },
    2,
    /^The configuration is wrong:\n {2}DATABASE_URL[^\n]*\n$/,
  ],
  [
    "a database that is away",
    [],
    { DATABASE_URL: "postgres://a@127.0.0.1:1/a", DATABASE_WAIT_MAX: "0s" },
    1,
    /^the database at \S+ cannot be reached: nothing listens there \(ECONNREFUSED\)\n$/,
  ],
])("npm run migrate fails for %s without a stack", async (_, args, env, code, stderr) => {
  const result = await runScript(args, env);

  expect(result).toEqual({ code, signal: null, stdout: "", stderr: expect.stringMatching(stderr) });
});

function runScript(args: readonly string[], env: Record<string, string>) {
  return runToEnd(process.execPath, ["scripts/migrate.ts", ...args], env);
}

/** The statements below "Least privilege" in docs/operations.md, for a schema of this owner. */
async function readGrants(owner: Connection["user"]): Promise<string[]> {
  const text = await readFile(path.join(root, "docs/operations.md"), "utf8");
  const block = /## Least privilege[^]*?```sql\n([^]*?)```/.exec(text)![1]!;
  const statements = block.replaceAll("commerce_owner", owner).split(";");
  return statements.map((statement) => statement.trim()).filter((statement) => statement !== "");
}
