import { setTimeout as delay } from "node:timers/promises";
import { parseConfig, type Config, type Connection, type Engine } from "../../src/config.ts";
import type { Database } from "../../src/db/engine/database.ts";
import { startServer } from "../../src/server.ts";
import { execute } from "../support/databases.ts";
import { startProxy, type Proxy } from "../support/proxy.ts";
import { createAttempt } from "./caller.ts";
import type { Load } from "./calls.ts";
import { check, type Violation } from "./checker.ts";
import { readFinalState } from "./final-state.ts";
import { createRecorder, type Entry } from "./history.ts";
import type { Random } from "./random.ts";
import { createTraffic, type Traffic } from "./traffic.ts";

/** An empty, migrated database; migrated by the service where it is not. */
export type RigDatabase = { readonly connection: Connection; readonly engine: Engine };

/** What a rig is made of. */
export type RigOptions = {
  readonly load: Load;
  /** Takes a protection away from the service. */
  readonly decorateDatabase?: (db: Database) => Database;
};

/**
 * A broken invariant, or a service that does not come to rest or to its senses when nothing breaks any more.
 */
export type Finding =
  | Violation
  | {
      readonly invariant: "rest" | "recovery";
      readonly ids: readonly string[];
      readonly sentence: string;
    };

/** A service whose database is behind a proxy, traffic to it, and the history of that traffic. */
export type Rig = AsyncDisposable & {
  readonly proxy: Proxy;
  readonly grpcUrl: string;
  readonly traffic: Traffic;
  readonly history: readonly Entry[];
  /** Waits for rest, reads everything once more, and looks for what is wrong. Nothing may break any more. */
  conclude(): Promise<Finding[]>;
};

/** Starts a rig. */
export async function startRig(random: Random, database: RigDatabase, options: RigOptions): Promise<Rig> {
  await using starting = new AsyncDisposableStack();
  const proxy = starting.use(await startProxy(database.connection));
  const dbs: Database[] = [];
  const { grpc } = starting.use(
    await startServer(toConfig({ ...database, connection: proxy.connection }), {
      decorateDatabase(db) {
        dbs.push(db);
        return options.decorateDatabase?.(db) ?? db;
      },
    }),
  );
  const grpcUrl = `http://127.0.0.1:${grpc.port}`;
  const { history, ...recorder } = createRecorder();
  const traffic = createTraffic(createAttempt(grpcUrl), { history, ...recorder }, random, options.load);
  const running = starting.move();
  return {
    proxy,
    grpcUrl,
    traffic,
    history,
    async conclude() {
      const upstream = { connection: proxy.upstream, engine: database.engine };
      const restless = await findRestless(dbs[0]!, upstream);
      const calm = history.length;
      await traffic.close();
      const lost = history.slice(calm).flatMap(findUnrecovered);
      return [...check(history, await readFinalState(proxy.upstream)), ...restless, ...lost];
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
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

/**
 * Longer than the ten seconds that are spent on ending a session: what is not back by then never comes back.
 */
const restMsMax = 15_000;

/** When no call runs any more, no connection is in use and no session does anything. */
async function findRestless(db: Database, { connection, engine }: RigDatabase): Promise<Finding[]> {
  const end = performance.now() + restMsMax;
  for (;;) {
    const { total, idle, used, waiting } = db.stats();
    const active = engine === "postgresql" ? await countActive(connection) : 0;
    if (used === 0 && waiting === 0 && idle === total && active === 0) return [];
    if (performance.now() > end) {
      const calls = `${waiting} calls wait, ${active} sessions active`;
      const sentence = `at the end ${used} of ${total} connections used, ${calls}`;
      return [{ invariant: "rest", ids: [], sentence }];
    }
    await delay(5);
  }
}

async function countActive(connection: Connection): Promise<number> {
  const text = `select count(*)::int4 as active from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and state <> 'idle'`;
  const [row] = await execute<{ active: number }>(connection, text);
  return row!.active;
}

/** When the database can be reached, nobody is told that it cannot. */
function findUnrecovered({ request, outcome }: Entry): Finding[] {
  if (outcome.kind !== "unknown" || !["Unavailable", "Unknown"].includes(outcome.code)) return [];
  const ids = "requestId" in request ? [request.requestId] : [];
  const sentence = `${request.method} was answered ${outcome.code} (${outcome.reason}) after all faults`;
  return [{ invariant: "recovery", ids, sentence }];
}
