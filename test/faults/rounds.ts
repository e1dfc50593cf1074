import { setTimeout as delay } from "node:timers/promises";
import { parseConfig, type Config, type Connection, type Engine } from "../../src/config.ts";
import type { Database } from "../../src/db/database.ts";
import { startServer, type Server } from "../../src/server.ts";
import { execute } from "../support/databases.ts";
import { startProxy } from "../support/proxy.ts";
import { createAttempt } from "./caller.ts";
import { check, type Violation } from "./checker.ts";
import { planFaults, startFaults, type FaultPlan } from "./faults.ts";
import { readFinalState } from "./final-state.ts";
import { createRecorder, type Entry } from "./history.ts";
import { createRandom } from "./random.ts";
import { createTraffic, type Load } from "./traffic.ts";

/** An empty, migrated database. */
export type RoundDatabase = { readonly connection: Connection; readonly engine: Engine };

/** What a round is made of where the seed does not decide it. */
export type RoundOptions = {
  readonly load?: Partial<Load>;
  readonly faults?: FaultPlan;
  /** Takes a protection away from the service. */
  readonly decorateDatabase?: (db: Database) => Database;
};

/** What happened in a round. */
export type Round = {
  readonly seed: number;
  readonly history: readonly Entry[];
  readonly injected: ReadonlyMap<string, number>;
  readonly violations: readonly (Violation | Leak)[];
};

/** Something of the pool did not come back. */
export type Leak = { readonly invariant: "pool"; readonly ids: readonly string[]; readonly sentence: string };

/** Some 200 calls, a third of which fail or are repeated: about a second, of which the passwords are the largest part. */
const usualLoad: Load = { clients: 8, callsPerClient: 22, attemptsMax: 12 };

/** Longer than it takes to give up a connection that does not answer. */
const quietMsMax = 5_000;

/**
 * Plays one round: a service on a database behind a faulty network, traffic, and then quiet, in which nothing may be
 * wrong. The seed decides on the calls and the faults; how they meet is up to the machine, so that a seed that found a
 * violation finds it again most times, not always.
 */
export async function playRound(
  seed: number,
  database: RoundDatabase,
  options: RoundOptions = {},
): Promise<Round> {
  await using resources = new AsyncDisposableStack();
  const random = createRandom(seed);
  const proxy = resources.use(await startProxy(database.connection));
  let db: Database | undefined;
  const decorateDatabase = (real: Database): Database =>
    options.decorateDatabase?.((db = real)) ?? (db = real);
  const config = toConfig({ ...database, connection: proxy.connection });
  const server = resources.use(await startServer(config, { decorateDatabase }));

  const recorder = createRecorder();
  const load = { ...usualLoad, ...options.load };
  const traffic = createTraffic(createAttempt(toUrl(server)), recorder, random.fork(), load);
  const faults = startFaults(proxy, database, random.fork(), options.faults ?? planFaults(random));
  await traffic.open();
  await traffic.run();
  await faults.end();
  const leaks = await findLeaks(db!, database);
  await traffic.close();

  const { history } = recorder;
  const violations = [...check(history, await readFinalState(database.connection)), ...leaks];
  return { seed, history, injected: faults.injected, violations };
}

/** The service as it runs, small and quiet. */
export function toConfig({ connection, engine }: RoundDatabase): Config {
  const address = "127.0.0.1:0";
  const config = parseConfig({
    GRPC_ADDR: address,
    HTTP_ADDR: address,
    ADMIN_ADDR: address,
    LOG_LEVEL: "silent",
  });
  return {
    ...config,
    database: { kind: "remote", connection, engine },
    pool: { ...config.pool, connsMax: 8, connsMin: 0 },
  };
}

/** Where a server answers gRPC. */
export function toUrl({ grpc }: Server): string {
  return `http://127.0.0.1:${grpc.port}`;
}

/** When no call runs any more, no connection is in use and no session does anything. */
async function findLeaks(db: Database, { connection, engine }: RoundDatabase): Promise<Leak[]> {
  const end = performance.now() + quietMsMax;
  for (;;) {
    const { total, idle, used, waiting } = db.stats();
    const active = engine === "postgresql" ? await countActive(connection) : 0;
    if (used === 0 && waiting === 0 && idle === total && active === 0) return [];
    if (performance.now() > end) {
      const sentence = `after all calls: ${used} of ${total} connections in use, ${waiting} calls wait, ${active} sessions active`;
      return [{ invariant: "pool", ids: [], sentence }];
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
