import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import { parseConfig, type Config, type Connection, type Engine } from "../../src/config.ts";
import type { Database } from "../../src/db/engine/database.ts";
import { startServer } from "../../src/server.ts";
import type { Cluster as EmulatedCluster } from "../support/cockroach/cluster.ts";
import { onExit } from "./leftovers.ts";

/** An empty, migrated database; migrated by the service where it is not. */
export type RigDatabase = {
  readonly connection: Connection;
  readonly engine: Engine;
  /** To the PostgreSQL that holds it, where it is one. */
  readonly operator?: Connection | undefined;
  /** The emulated cluster before it, if it is the round's own. */
  readonly emulated?: EmulatedCluster | undefined;
};

/** A running service. Disposal stops it. */
export type Service = AsyncDisposable & {
  readonly grpcUrl: string;
  /** What it still does, as far as can be seen from outside; undefined where it is at rest. */
  unrest(): string | undefined;
  /** Ends it without waiting for anything. */
  kill(): void;
};

/** Starts a service on a database. */
export type StartService = (database: RigDatabase) => Promise<Service>;

const address = "127.0.0.1:0";
const addresses = { GRPC_ADDR: address, HTTP_ADDR: address, ADMIN_ADDR: address };

/** Starts services in this process. */
export function inProcess(decorate: (db: Database) => Database = (db) => db): StartService {
  return async (database) => {
    const dbs: Database[] = [];
    const server = await startServer(toConfig(database), {
      decorateDatabase(db) {
        dbs.push(db);
        return decorate(db);
      },
    });
    return {
      grpcUrl: `http://127.0.0.1:${server.grpc.port}`,
      unrest() {
        const { total, idle, used, waiting } = dbs[0]!.stats();
        if (used === 0 && waiting === 0 && idle === total) return undefined;
        return `${used} of ${total} connections used, ${waiting} calls wait`;
      },
      // Nobody hears of it any more; disposal waits for its end.
      kill: () => void server.stop().catch(() => {}),
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  };
}

const root = path.join(import.meta.dirname, "../..");

/** Starts services as processes of their own, with a clock that is wrong by some milliseconds. */
export function asProcess(clockMs: number): StartService {
  return async ({ connection: { host, port, user, password = "", database } }) => {
    const DATABASE_URL = `postgres://${user}:${encodeURIComponent(password)}@${host}:${port}/${database}`;
    const child = spawn(process.execPath, ["--import", "./test/faults/wrong-clock.ts", "src/main.ts"], {
      cwd: root,
      env: {
        ...addresses,
        DATABASE_URL,
        CRDB_MAX_CONNS: "8",
        CRDB_MIN_CONNS: "0",
        WELCOME: "true",
        LOG_LEVEL: "silent",
        CLOCK_WRONG_MS: `${clockMs}`,
      },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const kill = (): void => void child.kill("SIGKILL");
    const exiting = onExit(kill);
    const ended = once(child, "close");
    const end = async (): Promise<void> => {
      kill();
      await ended;
      exiting[Symbol.dispose]();
    };
    for await (const line of createInterface({ input: child.stdout })) {
      const grpc = /^ +gRPC +(\S+)$/.exec(line)?.[1];
      if (grpc === undefined) continue;
      child.stdout.resume();
      return { grpcUrl: `http://${grpc}`, unrest: () => undefined, kill, [Symbol.asyncDispose]: end };
    }
    throw new Error("a service has ended before it was ready");
  };
}

/** The service as it runs, small and quiet. */
function toConfig({ connection, engine }: RigDatabase): Config {
  const config = parseConfig({ ...addresses, LOG_LEVEL: "silent" });
  return {
    ...config,
    database: { kind: "remote", connection, engine },
    pool: { ...config.pool, connsMax: 8, connsMin: 0 },
  };
}
