import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Connection } from "../../src/config.ts";
import { startEmbedded } from "../../src/db/embedded/embedded.ts";
import { execute } from "./databases.ts";
import { settings } from "./embedded.ts";

/** A PostgreSQL server for tests of what comes before a migrated database. */
export type Scratch = AsyncDisposable & {
  /** An empty database. */
  createDatabase(): Promise<Connection>;
  /** A directory with these files of SQL. */
  writeMigrations(files: Record<string, string>): Promise<string>;
};

export async function startScratch(): Promise<Scratch> {
  const base = await mkdtemp(path.join(tmpdir(), "commerce-scratch-"));
  const embedded = await startEmbedded(path.join(base, "data"), { settings });
  let databases = 0;
  return {
    createDatabase: async () => {
      const database = `scratch_${++databases}`;
      await execute(embedded.connection, `create database ${database}`);
      return { ...embedded.connection, database };
    },
    writeMigrations: async (files) => {
      const directory = await mkdtemp(path.join(base, "migrations-"));
      for (const [name, sql] of Object.entries(files)) await writeFile(path.join(directory, name), sql);
      return directory;
    },
    [Symbol.asyncDispose]: async () => {
      await embedded[Symbol.asyncDispose]();
      await rm(base, { recursive: true });
    },
  };
}
