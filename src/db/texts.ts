import type { Engine } from "../config.ts";
import { migrationsDirectory, readMigrations, splitStatements } from "./migrate/migration-files.ts";
import { allTexts } from "./engine/statement.ts";

/**
 * Every SQL text that the service can send to an engine, by name, once its modules are loaded: its
 * statements, its commands, and the migrations as the engine is sent them, a file or a statement at a time.
 */
export async function readTexts(engine: Engine): Promise<Map<string, string>> {
  const migrations = await readMigrations(migrationsDirectory, engine);
  const parts = migrations.flatMap(({ version, sql }): [string, string][] =>
    engine === "postgresql"
      ? [[`migration.${version}`, sql]]
      : splitStatements(sql).map((text, n) => [`migration.${version}.${n + 1}`, text]),
  );
  return new Map([...allTexts(engine), ...parts]);
}
