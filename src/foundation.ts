import process from "node:process";
import type { Config, Connection, Engine } from "./config.ts";
import { redactedConfig } from "./config/redacted.ts";
import { type Beginning, openEngine, type Reached } from "./databases.ts";
import { expectMigrated, migrate } from "./db/migrate/migrate.ts";
import { migrationsDirectory } from "./db/migrate/migration-files.ts";
import { createReadiness, type Readiness } from "./db/migrate/readiness.ts";
import { type AdminListener, startAdminListener } from "./rpc/admin.ts";
import type { Health, Readiness as ReadinessState } from "./rpc/health.ts";
import type { Scraped } from "./telemetry/metrics.ts";
import type { Telemetry } from "./telemetry/telemetry.ts";
import { version as release } from "./telemetry/version.ts";

/** What a service has once, however many workers serve. */
export type Foundation = {
  readonly admin: AdminListener;
  /** The database, migrated as configured. */
  readonly reached: Reached;
  readonly readiness: Readiness;
  /** Resolves with the reason when the embedded database has ended. */
  readonly failed: Promise<Error>;
};

/**
 * Opens the admin port, reaches or starts the database and brings it to the schema. The admin port answers
 * from the beginning, so that a waiting start does not look dead.
 */
export async function layFoundation(
  config: Config,
  beginning: Beginning,
  { health, scrape }: { readonly health: Health; readonly scrape: () => Promise<Scraped> },
): Promise<Foundation> {
  const { telemetry, resources, signal } = beginning;
  telemetry.logger.debug({ config: redactedConfig(config) }, "configuration");
  if (config.unread.length > 0)
    telemetry.logger.warn({ variables: config.unread }, "variables of OpenTelemetry that mean nothing here");
  signal?.throwIfAborted();
  const probes = { readiness: health.readiness, scrape, refused: telemetry.refused };
  const admin = resources.use(await startAdminListener({ address: config.adminAddr, ...probes }));
  const failed = Promise.withResolvers<Error>();
  const reached = await openEngine(config, beginning, failed.resolve);
  const { connection, version } = reached;
  await bringSchema(config, connection, version.engine, beginning);
  signal?.throwIfAborted();
  const readiness = resources.use(await createReadiness(connection, version.engine, migrationsDirectory));
  tellState(telemetry, { health, readiness, engine: version.engine });
  return { admin, reached, readiness, failed: failed.promise };
}

/** Tells by metrics what the service is and whether it takes calls. */
function tellState(
  { gauge, value }: Telemetry,
  {
    health,
    readiness,
    engine,
  }: { readonly health: Health; readonly readiness: Readiness; readonly engine: Engine },
): void {
  value("commerce_ready", "Whether the service takes calls: 1, or 0.", () =>
    health.readiness().serving ? 1 : 0,
  );
  value("commerce_schema_version", "The newest migration that is applied to the database.", () =>
    Number.parseInt(readiness.schemaVersion() ?? "0", 10),
  );
  const build = { version: release, node_version: process.version, engine };
  gauge(
    {
      name: "commerce_build_info",
      help: "1, with the version of the service, of Node.js, and the engine of the database.",
      labels: ["version", "node_version", "engine"],
    },
    () => [[build, 1]],
  );
}

/** What logs each change of readiness. That a start has succeeded is said elsewhere. */
export function logReadiness({ logger }: Pick<Telemetry, "logger">): (readiness: ReadinessState) => void {
  let wasReady = true;
  return ({ serving, reason }) => {
    if (!serving) logger.warn({ ready: false, problem: reason }, "not ready");
    else if (!wasReady) logger.info({ ready: true }, "ready");
    wasReady = serving;
  };
}

/** Applies, checks or ignores missing migrations, as configured. */
async function bringSchema(
  { start }: Config,
  connection: Connection,
  engine: Engine,
  { telemetry: { logger }, signal, progress }: Beginning,
): Promise<void> {
  const warn = (line: string): void => logger.warn(line);
  const options = { engine, log: progress, warn, signal };
  if (start.migrations === "apply") await migrate(connection, options);
  if (start.migrations === "check") await expectMigrated(connection, options);
}

/**
 * Interval of readiness checks in milliseconds: short enough that a load balancer sees within a second that
 * the database is back.
 */
const readyMs = 2_000;
const unreadyMs = 250;

/** What readiness has found; without a reason the database can serve calls. */
export type Found = { readonly reason?: string | undefined; readonly isAway: boolean };

/** Tells what each check of readiness has found. Resolves after the first one. */
export async function watchReadiness(
  readiness: Readiness,
  tell: (found: Found) => void,
): Promise<Disposable> {
  let timer: NodeJS.Timeout | undefined;
  let disposed = false;
  const look = async (): Promise<void> => {
    const problem = await readiness.check();
    tell(problem ?? { isAway: false });
    if (!disposed) timer = setTimeout(() => void look(), problem === undefined ? readyMs : unreadyMs);
  };
  await look();
  return {
    [Symbol.dispose]() {
      disposed = true;
      clearTimeout(timer);
    },
  };
}

/** How a service stops: once, however often it is asked to. */
export function stopOnce(stop: () => Promise<boolean>): {
  readonly stop: () => Promise<boolean>;
  readonly [Symbol.asyncDispose]: () => Promise<void>;
} {
  let stopping: Promise<boolean> | undefined;
  return {
    stop: () => (stopping ??= stop()),
    async [Symbol.asyncDispose]() {
      await (stopping ??= stop());
    },
  };
}
