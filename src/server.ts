import type { Address, Config, Connection, Engine } from "./config.ts";
import { bindAll, createParts, services } from "./bindings.ts";
import { redactedConfig } from "./config/redacted.ts";
import { type Beginning, openDatabases, openEngine } from "./databases.ts";
import type { Database } from "./db/engine/database.ts";
import { keepSweeping } from "./db/sweep-refusals.ts";
import { expectMigrated, migrate } from "./db/migrate/migrate.ts";
import { migrationsDirectory } from "./db/migrate/migration-files.ts";
import { createReadiness, type Readiness } from "./db/migrate/readiness.ts";
import { collectGarbage } from "./garbage.ts";
import { startAdminListener } from "./rpc/admin.ts";
import { createAuthenticator } from "./rpc/auth.ts";
import { shareDescriptors } from "./rpc/descriptors.ts";
import { drainListeners } from "./rpc/drain.ts";
import { startGrpcListener } from "./rpc/grpc.ts";
import { createHealth, type Health } from "./rpc/health.ts";
import { startHttpListener } from "./rpc/http.ts";
import { createPipeline } from "./rpc/pipeline.ts";
import { createTelemetry, type Telemetry } from "./rpc/telemetry.ts";
import { loadTls } from "./rpc/tls.ts";
import { createRequestValidator } from "./rpc/validation.ts";

/** A running service. */
export type Server = {
  readonly grpc: Address;
  readonly http: Address;
  readonly admin: Address;
  /** The version that the database reports. */
  readonly databaseVersion: string;
  /** Resolves with the reason when the service cannot go on because its embedded database has ended. */
  readonly failed: Promise<Error>;
  /**
   * Stops: NOT_SERVING, a pause, GOAWAY, the calls in flight, the pool. False if some calls had to be cut
   * off.
   */
  stop(): Promise<boolean>;
  [Symbol.asyncDispose](): Promise<void>;
};

export type ServerOptions = {
  /** Aborting it ends a start that is under way: startServer throws its reason. */
  readonly signal?: AbortSignal;
  /** For tests: wraps the database that the services use, to switch a protection off. */
  readonly decorateDatabase?: (db: Database) => Database;
};

/**
 * Starts the service. If it cannot start it leaves nothing behind and throws an Error with a one-line
 * message. The admin port answers from the beginning, so that a waiting start does not look dead.
 */
export async function startServer(config: Config, options: ServerOptions = {}): Promise<Server> {
  const { decorateDatabase = (db) => db, signal } = options;
  await using starting = new AsyncDisposableStack();
  const telemetry = starting.use(await createTelemetry(config));
  telemetry.logger.debug({ config: redactedConfig(config) }, "configuration");
  signal?.throwIfAborted();
  const health = createHealth(services.map((service) => service.typeName));
  const { refused, scrape } = telemetry;
  const probes = { readiness: health.readiness, scrape, refused };
  const admin = starting.use(await startAdminListener({ address: config.adminAddr, ...probes }));
  const failed = Promise.withResolvers<Error>();
  const beginning: Beginning = { telemetry, resources: starting, signal };
  const reached = await openEngine(config, beginning, failed.resolve);
  const { connection, version } = reached;
  await bringSchema(config, connection, version.engine, beginning);
  signal?.throwIfAborted();

  const readiness = starting.use(await createReadiness(connection, version.engine, migrationsDirectory));
  const databases = openDatabases(reached, config.pool, { ...beginning, readiness });
  const { stale, suspect, connsMax } = databases;
  const db = decorateDatabase(databases.db);
  starting.use(keepSweeping(db, (err) => telemetry.logger.warn({ err }, "expired marks stay for now")));

  const parts = await createParts({ db, stale }, config, telemetry);
  const validator = createRequestValidator();
  const pipeline = createPipeline(bindAll(db, parts, health, validator, config.calls), {
    calls: config.calls,
    authenticate: createAuthenticator(config.auth),
    telemetry,
    validator,
  });
  const onReload = (error?: Error): void => logReload(telemetry, error);
  const tls = config.tls && starting.use(await loadTls(config.tls, { onReload }));
  const max = Math.min(config.connections.max, shareDescriptors(connsMax));
  const connections = { ...config.connections, max };
  const { grpcAddr, httpAddr, corsOrigins } = config;
  const limits = { messageBytesMax: config.calls.messageBytesMax, connections, refused, tls };
  const { methods } = pipeline;
  const grpc = starting.use(await startGrpcListener(methods, { address: grpcAddr, ...limits }));
  const http = starting.use(await startHttpListener(methods, { address: httpAddr, corsOrigins, ...limits }));
  observeConnections(telemetry, { grpc, http, admin });
  // After the ports listen: a load balancer would send calls as soon as readiness says so.
  starting.use(await watchReadiness(readiness, suspect, health));

  starting.use(collectGarbage());
  const running = starting.move();
  const stop = async (): Promise<boolean> => {
    const drained = await drainListeners({ health, pipeline, listeners: [grpc, http] }, config.shutdown);
    await running.disposeAsync();
    return drained;
  };
  let stopping: Promise<boolean> | undefined;
  return {
    grpc: grpc.address,
    http: http.address,
    admin: admin.address,
    databaseVersion: version.text,
    failed: failed.promise,
    stop: () => (stopping ??= stop()),
    async [Symbol.asyncDispose]() {
      await (stopping ??= stop());
    },
  };
}

/** Applies, checks or ignores missing migrations, as configured. */
async function bringSchema(
  { start }: Config,
  connection: Connection,
  engine: Engine,
  { telemetry: { logger }, signal }: Beginning,
): Promise<void> {
  const log = (line: string): void => logger.info(line);
  const warn = (line: string): void => logger.warn(line);
  const options = { engine, log, warn, signal };
  if (start.migrations === "apply") await migrate(connection, options);
  if (start.migrations === "check") await expectMigrated(connection, options);
}

/**
 * Interval of readiness checks in milliseconds: short enough that a load balancer sees within a second that
 * the database is back.
 */
const readyMs = 2_000;
const unreadyMs = 250;

/** Updates health, and tells `suspect` whether the database is away. Resolves after the first check. */
async function watchReadiness(
  readiness: Readiness,
  suspect: Database["suspect"],
  health: Health,
): Promise<Disposable> {
  let timer: NodeJS.Timeout | undefined;
  let disposed = false;
  const look = async (): Promise<void> => {
    const problem = await readiness.check();
    health.set(problem === undefined, problem?.reason);
    suspect(problem?.isAway === true);
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

function logReload({ logger }: Telemetry, error: Error | undefined): void {
  if (error) logger.warn({ err: error }, "the certificate cannot be reloaded; the old one stays in use");
  else logger.info("the certificate was reloaded");
}

function observeConnections(
  telemetry: Telemetry,
  listeners: Readonly<Record<string, { readonly connections: () => number }>>,
): void {
  const read = (): Record<string, number> =>
    Object.fromEntries(
      Object.entries(listeners).map(([listener, { connections }]) => [listener, connections()]),
    );
  telemetry.gauge("rpc_server_connections", "Connections that are open, by port.", read, "door");
}
