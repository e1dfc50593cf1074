import type { Config } from "./config.ts";
import { bindAll, createParts } from "./bindings.ts";
import { type Beginning, type Observer, openDatabases, type Reached } from "./databases.ts";
import type { Database } from "./db/engine/database.ts";
import { keepSweeping } from "./db/sweep-refusals.ts";
import type { Found } from "./foundation.ts";
import { collectGarbage } from "./garbage.ts";
import { createAuthenticator } from "./rpc/auth.ts";
import { shareDescriptors } from "./rpc/descriptors.ts";
import { drainListeners } from "./rpc/drain.ts";
import { startGrpcListener } from "./rpc/grpc.ts";
import type { Health } from "./rpc/health.ts";
import { startHttpListener } from "./rpc/http.ts";
import type { Listener, OpenPort } from "./rpc/listen.ts";
import { createPipeline } from "./rpc/pipeline.ts";
import type { Telemetry } from "./telemetry/telemetry.ts";
import { loadTls } from "./rpc/tls.ts";
import { createRequestValidator } from "./rpc/validation.ts";

/** What answers calls: a process has one. */
export type Serving = {
  readonly grpc: Listener;
  readonly http: Listener;
  /** Takes over what a check of readiness has found. */
  readonly follow: (found: Found) => void;
  /** See `drainListeners`. */
  readonly drain: (shutdown: Config["shutdown"]) => Promise<boolean>;
};

export type ServingOptions = Observer & {
  readonly health: Health;
  /** How to open the ports for callers. Default: in this process. */
  readonly open?: OpenPort;
  /** Whether to delete expired marks of refusals: one process of a service is enough. */
  readonly sweeps: boolean;
  /** For tests: wraps the database that the services use, to switch a protection off. */
  readonly decorateDatabase?: ((db: Database) => Database) | undefined;
};

/** Opens the pools and, at last, the ports. Health is still for `follow` to set. */
export async function startServing(
  config: Config,
  reached: Reached,
  beginning: Beginning,
  { health, note, open, sweeps, decorateDatabase = (db) => db }: ServingOptions,
): Promise<Serving> {
  const { telemetry, resources } = beginning;
  const databases = openDatabases(reached, config.pool, { ...beginning, note });
  const { stale, suspect, connsMax } = databases;
  const db = decorateDatabase(databases.db);
  const onFailure = (err: unknown): void => telemetry.logger.warn({ err }, "expired marks stay for now");
  if (sweeps) resources.use(keepSweeping(db, onFailure));

  const parts = await createParts({ db, stale }, config, telemetry);
  const validator = createRequestValidator();
  const pipeline = createPipeline(bindAll(db, parts, health, validator, config.calls, telemetry), {
    calls: config.calls,
    authenticate: createAuthenticator(config.auth),
    telemetry,
    validator,
  });
  const onReload = (error?: Error): void => logReload(telemetry, error);
  const tls = config.tls && resources.use(await loadTls(config.tls, { onReload }));
  if (tls)
    telemetry.value(
      "commerce_tls_certificate_expiry_timestamp_seconds",
      "When the certificate of the ports for callers expires, in seconds since the epoch.",
      tls.expirySeconds,
    );
  const max = Math.min(config.connections.max, shareDescriptors(connsMax));
  const connections = { ...config.connections, max };
  const { grpcAddr, httpAddr, corsOrigins } = config;
  const { refused } = telemetry;
  const limits = { messageBytesMax: config.calls.messageBytesMax, connections, refused, tls, open };
  const { methods } = pipeline;
  const grpc = resources.use(await startGrpcListener(methods, { address: grpcAddr, ...limits }));
  const http = resources.use(await startHttpListener(methods, { address: httpAddr, corsOrigins, ...limits }));
  resources.use(collectGarbage());
  return {
    grpc,
    http,
    follow({ reason, isAway }) {
      health.set(reason === undefined, reason);
      suspect(isAway);
    },
    drain: (shutdown) => drainListeners({ health, pipeline, listeners: [grpc, http] }, shutdown),
  };
}

function logReload({ logger }: Telemetry, error: Error | undefined): void {
  if (error) logger.warn({ err: error }, "the certificate cannot be reloaded; the old one stays in use");
  else logger.info("the certificate was reloaded");
}
