import { Http2SessionManager } from "@connectrpc/connect-node";
import { parseConfig, type Config, type Connection, type Engine } from "../../src/config.ts";
import type { Database } from "../../src/db/engine/database.ts";
import { startServer } from "../../src/server.ts";
import { startProxy, type Proxy } from "../support/proxy.ts";
import { createAttempt, type Attempt } from "./caller.ts";

/** An empty, migrated database; migrated by the service where it is not. */
export type RigDatabase = { readonly connection: Connection; readonly engine: Engine };

/** A service behind whose back its database can be made to fail: it reaches it through a proxy of its own. */
export type Replica = AsyncDisposable & {
  /** Of the service that runs now. */
  readonly proxy: Proxy;
  readonly grpcUrl: string;
  readonly database: Database;
  /** Calls the service that runs when the attempt begins. */
  readonly attempt: Attempt;
  /**
   * Dies as with its machine: its callers are cut off, it cancels nothing and ends no session, and what it
   * has sent still reaches the database, which hears of the death `lingerMs` later. Resolves when another
   * service runs in its place.
   */
  die(lingerMs: number): Promise<void>;
};

/** One service, from its start to its death. */
type Life = {
  readonly proxy: Proxy;
  readonly grpcUrl: string;
  readonly database: Database;
  readonly attempt: Attempt;
  readonly death: AbortController;
  readonly stop: () => Promise<unknown>;
};

/** Starts a replica. Disposal waits until all of its services have stopped, also those that died. */
export async function startReplica(
  database: RigDatabase,
  decorate: (db: Database) => Database = (db) => db,
): Promise<Replica> {
  await using starting = new AsyncDisposableStack();
  const resources = starting.use(new AsyncDisposableStack());
  const begin = async (): Promise<Life> => {
    const proxy = resources.use(await startProxy(database.connection));
    const dbs: Database[] = [];
    const server = await startServer(toConfig({ ...database, connection: proxy.connection }), {
      decorateDatabase(db) {
        dbs.push(db);
        return decorate(db);
      },
    });
    resources.use(server);
    const grpcUrl = `http://127.0.0.1:${server.grpc.port}`;
    const callers = new Http2SessionManager(grpcUrl);
    const death = new AbortController();
    death.signal.addEventListener("abort", () => callers.abort());
    const attempt = createAttempt(grpcUrl, callers);
    return { proxy, grpcUrl, database: dbs[0]!, attempt, death, stop: server.stop };
  };
  let life = await begin();
  const own = starting.move();
  return {
    get proxy() {
      return life.proxy;
    },
    get grpcUrl() {
      return life.grpcUrl;
    },
    get database() {
      return life.database;
    },
    attempt: (...call) => attemptIn(life, ...call),
    async die(lingerMs) {
      life.proxy.killClient(lingerMs);
      life.death.abort();
      // Nobody hears of it any more; disposal waits for its end.
      life.stop().catch(() => {});
      life = await begin();
    },
    [Symbol.asyncDispose]: () => own.disposeAsync(),
  };
  async function attemptIn(
    { attempt, death }: Life,
    ...[request, options, ...rest]: Parameters<Attempt>
  ): ReturnType<Attempt> {
    const signals = options.signal ? [options.signal, death.signal] : [death.signal];
    const answer = await attempt(request, { ...options, signal: AbortSignal.any(signals) }, ...rest);
    const isCutOff = death.signal.aborted && answer.outcome.kind === "unknown";
    const outcome = { kind: "unknown", code: "Unavailable", reason: "the replica has died" } as const;
    return isCutOff ? { ...answer, outcome } : answer;
  }
}

/** The service as it runs, small and quiet. */
function toConfig({ connection, engine }: RigDatabase): Config {
  const address = "127.0.0.1:0";
  const addresses = { GRPC_ADDR: address, HTTP_ADDR: address, ADMIN_ADDR: address };
  const config = parseConfig({ ...addresses, LOG_LEVEL: "silent" });
  return {
    ...config,
    database: { kind: "remote", connection, engine },
    pool: { ...config.pool, connsMax: 8, connsMin: 0 },
  };
}
