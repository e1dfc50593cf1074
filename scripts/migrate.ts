// Migrates the configured database to the newest schema: `npm run migrate`.
import { parseArgs } from "node:util";
import { type Config, ConfigError, parseConfig, type Connection, type Engine } from "../src/config.ts";
import { connectRunning, startEmbedded } from "../src/db/embedded/embedded.ts";
import { migrate, readStatus } from "../src/db/migrate/migrate.ts";
import { describeNewer } from "../src/db/migrate/migration-files.ts";
import { reachDatabase } from "../src/db/engine/reach.ts";

const usage = `usage: npm run migrate [-- --status | --help]

Applies the migrations that the configured database lacks: the one of DATABASE_URL or the CRDB_* variables,
or else the embedded one in DATA_DIR, whether or not the service runs on it. Any number may run at once; each
migration is applied once. Where none is lacking, a role that may only read is enough.

  --status  only lists the migrations and which of them are applied
  --help    prints this

Exit codes: 0 done, 1 failed, 2 the arguments or the environment are wrong.`;

process.exitCode = await main().catch((error: unknown) => {
  const wrong = error instanceof ConfigError || isArgumentError(error);
  console.error((error as Error).message);
  return wrong ? 2 : 1;
});

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { status: { type: "boolean" }, help: { type: "boolean" } } });
  if (values.help) {
    console.log(usage);
    return 0;
  }
  const config = parseConfig(process.env);
  await using resources = new AsyncDisposableStack();
  const { connection, engine } = await open(config, resources);
  if (values.status) await printStatus(connection, engine);
  else {
    const applied = await migrate(connection, { engine, log: console.log, warn: console.error });
    console.log(applied.length === 0 ? "nothing to apply" : `applied ${applied.length} migrations`);
  }
  return 0;
}

/** Opens the configured database; an embedded one through the running service's server, or one of our own. */
async function open(
  { database, start }: Config,
  resources: AsyncDisposableStack,
): Promise<{ connection: Connection; engine: Engine }> {
  const remote = database.kind === "remote" ? database : undefined;
  const connection =
    database.kind === "remote"
      ? database.connection
      : ((await connectRunning(database.dataDir)) ??
        resources.use(await startEmbedded(database.dataDir)).connection);
  const options = { expected: remote?.engine, waitMs: start.waitMsMax, warn: console.error };
  const { engine } = await reachDatabase(connection, options);
  return { connection, engine };
}

async function printStatus(connection: Connection, engine: Engine): Promise<void> {
  const { migrations, pending, newer } = await readStatus(connection, { engine });
  for (const migration of migrations)
    console.log(`${pending.includes(migration) ? "pending" : "applied"}  ${migration.version}`);
  for (const version of newer) console.log(`newer    ${version}`);
  if (newer.length > 0) console.error(describeNewer(newer));
}

function isArgumentError(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code?.startsWith("ERR_PARSE_ARGS") ?? false;
}
