import { mkdtempDisposable, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { parseConfig } from "../src/config.ts";
import { toClientConfig } from "../src/db/engine/connection.ts";
import { createDatabase } from "../src/db/engine/database.ts";
import { statement } from "../src/db/engine/statement.ts";
import { toUrl } from "./support/main.ts";
import { deadline, limits, reasonOf } from "./support/pools.ts";
import { findProblems } from "./support/problems.ts";
import { startScratch } from "./support/scratch.ts";

const scratch = await startScratch();
const directory = await mkdtempDisposable(path.join(tmpdir(), "commerce-secrets-"));
afterAll(async () => {
  await scratch[Symbol.asyncDispose]();
  await directory.remove();
});

const who = statement<{ user: string }>("test.who", `select current_user::text as "user"`);

async function write(name: string, text: string): Promise<string> {
  const file = path.join(directory.path, name);
  await writeFile(file, text);
  return file;
}

test("secrets are read from files, without the end of the line", async () => {
  const url = await write("url", "postgres://ada:s3cr3t@db.example.com/shop?sslmode=require\n");
  const password = await write("password", "p w\r\n");

  const { database } = parseConfig({ DATABASE_URL_FILE: url });
  const other = parseConfig({ CRDB_PASSWORD_FILE: password, CRDB_SSL_MODE: "require" }).database;

  expect(database).toMatchObject({ connection: { user: "ada", password: "s3cr3t", host: "db.example.com" } });
  expect(other).toMatchObject({ kind: "remote", engine: "cockroachdb", connection: { password: "p w" } });
});

test("a secret that is given twice, or cannot be read, is refused without a word of it", async () => {
  const file = await write("twice", "s3cr3t");
  const gone = path.join(directory.path, "gone");
  const empty = await write("empty", "\n");

  expect(findProblems({ CRDB_PASSWORD: "s3cr3t", CRDB_PASSWORD_FILE: file })).toEqual([
    "CRDB_PASSWORD, CRDB_PASSWORD_FILE: are both set; set one or the other",
  ]);
  expect(findProblems({ DATABASE_URL_FILE: gone })).toEqual([
    `DATABASE_URL_FILE: ${gone} cannot be read (ENOENT)`,
  ]);
  expect(findProblems({ DATABASE_URL_FILE: empty })).toEqual([`DATABASE_URL_FILE: ${empty} holds no text`]);
  const [problem] = findProblems({ DATABASE_URL_FILE: file });
  expect(problem).toMatch(/^DATABASE_URL: must be postgres:/);
  expect(problem).not.toContain("s3cr3t");
});

test("a new connection authenticates with what the file holds by then", async () => {
  const connection = await scratch.createDatabase();
  const file = await write("rotated", toUrl({ ...connection, password: "withdrawn" }));
  const { database } = parseConfig({ DATABASE_URL_FILE: file });
  if (database.kind !== "remote") throw new Error("a file names a database");
  const pool = { ...limits, connsMax: 1, idleMsMax: 1 };
  await using db = createDatabase(database.connection, "postgresql", pool);
  const ask = (ms: number) => db.query(who, [], deadline(undefined, ms));

  const before = await reasonOf(ask(1_500));
  await write("rotated", toUrl(connection));
  const after = await ask(10_000);
  await rm(file);
  const { user, password } = toClientConfig(database.connection);

  expect(before).toMatchObject({ reason: "DATABASE_UNAVAILABLE" });
  expect([after, user]).toEqual([[{ user: connection.user }], connection.user]);
  await expect((password as () => Promise<string>)()).rejects.toThrow(
    `DATABASE_URL_FILE cannot be used: ${file}: ENOENT`,
  );
});
