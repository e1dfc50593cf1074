import type { TestProject } from "vitest/node";
import { parseConfig } from "../../src/config.ts";
import { execute, prepareEngine } from "./databases.ts";

/** The server that TEST_DATABASE_URL names: its user must be allowed to create databases. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { database } = parseConfig({ DATABASE_URL: process.env["TEST_DATABASE_URL"] });
  if (database.kind !== "remote") throw new Error("TEST_DATABASE_URL names no database");
  const { connection } = database;
  const [row] = await execute<{ version: string }>(connection, "select version() as version");
  const engine = row!.version.startsWith("CockroachDB") ? "cockroachdb" : "postgresql";
  const prepared = await prepareEngine(connection, engine);
  project.provide("engine", prepared);
  return async () => {
    if (prepared.template) await execute(connection, `drop database ${prepared.template}`);
  };
}
