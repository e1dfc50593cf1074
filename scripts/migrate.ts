// npm run migrate: brings the schema of the configured database to the newest migration.
import { parseArgs } from "node:util";
import pg from "pg";
import { ConfigError, parseConfig, type Connection, type Engine } from "../src/config.ts";
import { readVersion, toClientConfig } from "../src/db/connection.ts";
import { startEmbedded } from "../src/db/embedded.ts";
import { migrate, readApplied } from "../src/db/migrate.ts";
import { findPending, migrationsDirectory, readMigrations } from "../src/db/migrations.ts";

const usage = `usage: npm run migrate [-- --status | --help]

Applies the migrations that the configured database lacks: the one of DATABASE_URL or the CRDB_* variables,
or else the embedded one in DATA_DIR. Any number may run at once; each migration is applied once.

  --status  only lists the migrations and which of them are applied
  --help    prints this

Exit codes: 0 done, 1 failed, 2 the arguments or the environment are wrong.`;

process.exitCode = await main().catch((error: unknown) => {
  const wrong = error instanceof ConfigError || isArgumentError(error);
  console.error(describe(error));
  return wrong ? 2 : 1;
});

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { status: { type: "boolean" }, help: { type: "boolean" } } });
  if (values.help) {
    console.log(usage);
    return 0;
  }
  const { database } = parseConfig(process.env);
  await using embedded = database.kind === "embedded" ? await startEmbedded(database.dataDir) : undefined;
  const connection = database.kind === "embedded" ? embedded?.connection : database.connection;
  if (connection === undefined) throw new Error("no database");
  const { engine } = await readVersion(connection, database.kind === "remote" ? database.engine : undefined);
  if (values.status) await printStatus(connection, engine);
  else {
    const applied = await migrate(connection, { engine, log: console.log });
    console.log(applied.length === 0 ? "nothing to apply" : `applied ${applied.length} migrations`);
  }
  return 0;
}

async function printStatus(connection: Connection, engine: Engine): Promise<void> {
  const migrations = await readMigrations(migrationsDirectory, engine);
  const client = new pg.Client(toClientConfig(connection));
  await client.connect();
  try {
    const pending = new Set(findPending(migrations, await readApplied(client)));
    for (const migration of migrations) {
      console.log(`${pending.has(migration) ? "pending" : "applied"}  ${migration.version}`);
    }
  } finally {
    await client.end();
  }
}

function isArgumentError(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code?.startsWith("ERR_PARSE_ARGS") ?? false;
}

/** A host with several addresses fails with an error for each and no message of its own. */
function describe(error: unknown): string {
  const errors = error instanceof AggregateError ? (error.errors as Error[]) : [error as Error];
  return errors.map(({ message }) => message).join("; ");
}
