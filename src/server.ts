import type { Address, Config } from "./config.ts";
import { services } from "./bindings.ts";
import { type Beginning, toBeginning } from "./databases.ts";
import type { Database } from "./db/engine/database.ts";
import { layFoundation, logReadiness, stopOnce, watchReadiness } from "./foundation.ts";
import { createHealth } from "./rpc/health.ts";
import { observeConnections } from "./rpc/listen.ts";
import { createTelemetry, type Telemetry } from "./telemetry/telemetry.ts";
import { startServing } from "./serving.ts";

/** A running service. */
export type Server = Pick<Telemetry, "logger" | "switchLevel"> & {
  readonly grpc: Address;
  readonly http: Address;
  readonly admin: Address;
  /** The version that the database reports. */
  readonly databaseVersion: string;
  /** Resolves with the reason when the service cannot go on, as when its embedded database has ended. */
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
  /** Is told what the start is doing, in lines; by default they are in the log. */
  readonly progress?: ((line: string) => void) | undefined;
  /** For tests: wraps the database that the services use, to switch a protection off. */
  readonly decorateDatabase?: (db: Database) => Database;
};

/**
 * Starts the service in this process. If it cannot start it leaves nothing behind and throws an Error with a
 * one-line message.
 */
export async function startServer(config: Config, options: ServerOptions = {}): Promise<Server> {
  const { decorateDatabase, signal, progress } = options;
  await using starting = new AsyncDisposableStack();
  const telemetry = starting.use(await createTelemetry(config.telemetry));
  const health = createHealth(
    services.map((service) => service.typeName),
    logReadiness(telemetry),
  );
  const beginning: Beginning = toBeginning(telemetry, starting, { signal, progress });
  const { scrape } = telemetry;
  const { admin, reached, readiness, failed } = await layFoundation(config, beginning, { health, scrape });
  const { note } = readiness;
  const serving = await startServing(config, reached, beginning, {
    health,
    note,
    sweeps: true,
    decorateDatabase,
  });
  const { grpc, http } = serving;
  observeConnections(telemetry, { grpc, http, admin });
  // After the ports listen: a load balancer would send calls as soon as readiness says so.
  starting.use(await watchReadiness(readiness, serving.follow));

  const running = starting.move();
  const { logger, switchLevel } = telemetry;
  return {
    logger,
    switchLevel,
    grpc: grpc.address,
    http: http.address,
    admin: admin.address,
    databaseVersion: reached.version.text,
    failed,
    ...stopOnce(async () => {
      const drained = await serving.drain(config.shutdown);
      await running.disposeAsync();
      return drained;
    }),
  };
}
