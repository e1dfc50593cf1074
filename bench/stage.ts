import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import type { Distance } from "./delay-proxy.ts";
import { fillTables } from "./fill.ts";
import type { Peer, PeerName } from "./peers.ts";
import { type Running, startHelper, startServer, startService, toUrl } from "./processes.ts";
import { type Connection, startEmbedded, toClientConfig } from "./service/database.ts";
import type { Measured, Slice } from "./slice.ts";

/** All that a row needs: a loaded database, the process that makes load, and the ids to call with. */
export type Stage = AsyncDisposable & {
  readonly connection: Connection;
  readonly admin: pg.Client;
  readonly userIds: readonly string[];
  /**
   * A server of this kind, started when it is first asked for. A far one reaches the database through a proxy
   * that adds a delay to each round trip.
   */
  readonly server: (kind: ServerKind, delayMs?: number) => Promise<Running>;
  /** The services that take calls beside the first one. */
  readonly replicas: readonly Running[];
  /** Sees to it that there are so many in all. */
  readonly replicate: (count: number) => Promise<void>;
  readonly run: (slice: Slice) => Promise<Measured>;
};

export type ServerKind =
  | "service"
  | "service without batchers"
  | "service elsewhere"
  | "tutorial"
  | "memory"
  | "grpc-js"
  | "http2"
  | PeerName;

/** Each server has up to 25 connections, and the load 25 for itself and 25 for the service's code. */
const settings = ["max_connections=250"];

/** What may be asked of a stage. */
export type StageOptions = {
  /** Where the service writes a CPU profile when it ends. */
  readonly profile?: string | undefined;
  /** The checkout of the "service elsewhere". */
  readonly against?: string | undefined;
  /** The servers that are running already. */
  readonly peers?: readonly Peer[];
};

/**
 * Starts a PostgreSQL that is as durable as the one of `npm start`, migrates it by starting the service, and
 * fills it with so many orders.
 */
export async function openStage(orders: number, options: StageOptions = {}): Promise<Stage> {
  await using opening = new AsyncDisposableStack();
  const directory = opening.use(await mkdtempDisposable(path.join(tmpdir(), "commerce-bench-")));
  const { connection } = opening.use(await startEmbedded(path.join(directory.path, "data"), { settings }));
  const service = opening.use(await startKind("service", connection, options));
  const admin = new pg.Client(toClientConfig(connection));
  await admin.connect();
  opening.defer(() => admin.end());
  await fillTables(admin, orders);
  const { rows } = await admin.query<{ id: string }>("select id from users order by id limit 10000");
  const load = opening.use(startHelper("load.ts"));

  const proxy = opening.use(startHelper("delay-proxy.ts"));
  const servers = new Map([["service", Promise.resolve(service)]]);
  for (const { name, origin, pid } of options.peers ?? [])
    servers.set(
      name,
      Promise.resolve({ pid, readyMs: 0, grpc: origin, http: "", async [Symbol.asyncDispose]() {} }),
    );
  const resources = opening.move();
  const start = async (kind: ServerKind, port: number): Promise<Running> =>
    resources.use(await startKind(kind, { ...connection, port }, { against: options.against }));
  const replicas: Running[] = [];
  return {
    connection,
    admin,
    replicas,
    async replicate(count) {
      while (replicas.length < count - 1) replicas.push(await start("service", connection.port));
    },
    userIds: rows.map(({ id }) => id),
    async server(kind, delayMs) {
      const far = delayMs !== undefined;
      const distance: Distance = { port: connection.port, delayMs: delayMs ?? 0 };
      const port = far ? await proxy.ask<number>(distance) : connection.port;
      const key = far ? `${kind}, far` : kind;
      const server = servers.get(key) ?? start(kind, port);
      servers.set(key, server);
      return server;
    },
    async run(slice) {
      await settle(admin);
      const answer = await load.ask<{ measured?: Measured; error?: string }>(slice);
      if (!answer.measured) throw new Error(`the load has failed: ${answer.error}`);
      return answer.measured;
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

/** What the slowest contestant leaves behind takes some ten seconds. */
const settleMsMax = 60_000;

/**
 * Waits until nothing runs in the database: whose calls were answered that they took too long may still have
 * transactions there, and locks.
 */
async function settle(admin: pg.Client): Promise<void> {
  for (const end = Date.now() + settleMsMax; Date.now() < end; await sleep(50)) {
    const { rows } = await admin.query(selectBusy);
    if (rows.length === 0) return;
  }
  throw new Error(`the database is still busy ${settleMsMax / 1_000} s after a slice`);
}

const selectBusy = `
  select 1 from pg_stat_activity
  where backend_type = 'client backend' and state <> 'idle' and pid <> pg_backend_pid()`;

/** Starts a server on a database. */
export function startKind(
  kind: ServerKind,
  connection: Connection,
  { profile, against }: StageOptions = {},
): Promise<Running> {
  const env = { DATABASE_URL: toUrl(connection) };
  switch (kind) {
    case "service":
      return startService(env, profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profile}`]);
    case "service without batchers":
      return startService({ ...env, CALL_COALESCE: "false" });
    case "service elsewhere":
      return startService(env, [], against);
    case "tutorial":
      return startServer(["bench/tutorial-server.ts"], env);
    case "memory":
      return startServer(["bench/memory-server.ts"], env);
    case "grpc-js":
    case "http2":
      return startServer(["bench/floor-server.ts", kind], {});
    default:
      throw new Error(`${kind satisfies PeerName} is started by others`);
  }
}
