import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connectionVariables } from "../src/config/connection.ts";
import { parseConfig } from "../src/config.ts";
import { createAuthority } from "./support/certificates.ts";
import { findProblems } from "./support/problems.ts";

let directory: string;
const file = (name: string): string => path.join(directory, name);

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "connection-config-"));
  const client = createAuthority().issue("app");
  await writeFile(file("client.crt"), client.cert);
  await writeFile(file("client.key"), client.key);
});
afterAll(() => rm(directory, { recursive: true }));

test("a certificate and its key are set together", () => {
  const problems = [
    findProblems({ CRDB_SSL_CERT: file("client.crt") }),
    findProblems({ CRDB_SSL_KEY: file("client.key") }),
  ];

  const line = "CRDB_SSL_CERT, CRDB_SSL_KEY: must be set together";
  expect(problems).toEqual([[line], [line]]);
});

test("PostgreSQL is not reached by the variables of CockroachDB", () => {
  const problems = findProblems({ CRDB_HOST: "db", DATABASE_ENGINE: "postgresql" });

  expect(problems).toEqual([
    "DATABASE_ENGINE: is postgresql, but the CRDB_* variables select CockroachDB; " +
      "use DATABASE_URL for PostgreSQL",
  ]);
});

test("each variable of a connection selects CockroachDB by itself", () => {
  const values: Readonly<Record<string, string>> = {
    CRDB_PORT: "26257",
    CRDB_SSL_MODE: "require",
    CRDB_SSL_ROOT_CERT: file("client.crt"),
  };
  // These two come together.
  const names = connectionVariables.filter((name) => !/SSL_(CERT|KEY)$/.test(name));

  const kinds = names.map((name) => parseConfig({ [name]: values[name] ?? "db" }).database);

  const remote = expect.objectContaining({ kind: "remote", engine: "cockroachdb" }) as unknown;
  expect(kinds).toEqual(names.map(() => remote));
});
