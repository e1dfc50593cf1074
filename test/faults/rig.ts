import { setTimeout as delay } from "node:timers/promises";
import type { Connection } from "../../src/config.ts";
import type { Database } from "../../src/db/engine/database.ts";
import { execute } from "../support/databases.ts";
import type { Load } from "./calls.ts";
import { check, type Violation } from "./checker.ts";
import { readFinalState } from "./final-state.ts";
import { createRecorder, type Entry } from "./history.ts";
import type { Random } from "./random.ts";
import { startReplica, type Replica } from "./replica.ts";
import { asProcess, inProcess, type RigDatabase, type Service } from "./services.ts";
import { createTraffic, type Traffic } from "./traffic.ts";

export type { RigDatabase } from "./services.ts";

/** What a rig is made of. */
export type RigOptions = {
  readonly load: Load;
  /** How many services share the database; default: one. */
  readonly replicas?: number;
  /** Whether services are processes of their own, whose clocks differ, and die by kill -9. */
  readonly processes?: boolean;
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

/**
 * Services, each with a proxy before the database that they share, traffic to them, and the history of that
 * traffic.
 */
export type Rig = AsyncDisposable & {
  readonly replicas: readonly Replica[];
  readonly traffic: Traffic;
  readonly history: readonly Entry[];
  /** Waits for rest, reads everything once more, and looks for what is wrong. Nothing may break any more. */
  conclude(): Promise<Finding[]>;
};

/** How wrong the clocks of processes are: by nothing, by minutes, and by a day. */
const clocksMs = [0, -600_000, 86_400_000];

/** Starts a rig. */
export async function startRig(random: Random, database: RigDatabase, options: RigOptions): Promise<Rig> {
  await using starting = new AsyncDisposableStack();
  const { load, decorateDatabase } = options;
  const replicas: Replica[] = [];
  for (let n = 0; n < (options.replicas ?? 1); n++) {
    const start = options.processes ? asProcess(clocksMs[n % clocksMs.length]!) : inProcess(decorateDatabase);
    replicas.push(starting.use(await startReplica(database, start)));
  }
  const { history, ...recorder } = createRecorder();
  const attempts = replicas.map(({ attempt }) => attempt);
  const traffic = createTraffic(attempts, { history, ...recorder }, random, load);
  const running = starting.move();
  return {
    replicas,
    traffic,
    history,
    async conclude() {
      const { upstream: connection } = replicas[0]!.proxy;
      const restless: Finding[] = [];
      for (const replica of replicas) restless.push(...(await findRestless(replica.service, database)));
      const calm = history.length;
      await traffic.close();
      const lost = history.slice(calm).flatMap(findUnrecovered);
      const state = await readFinalState(connection);
      return [...check(history, state), ...restless, ...lost];
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/**
 * Longer than the ten seconds that are spent on ending a session: what is not back by then never comes back.
 */
const restMsMax = 15_000;

/** When no call runs any more, no connection is in use and no session does anything. */
async function findRestless(
  service: Service,
  { connection, engine, operator = engine === "postgresql" ? connection : undefined }: RigDatabase,
): Promise<Finding[]> {
  const end = performance.now() + restMsMax;
  for (;;) {
    const unrest = service.unrest();
    const active = operator ? await countActive(operator) : 0;
    if (unrest === undefined && active === 0) return [];
    if (performance.now() > end) {
      const sentence = `at the end ${unrest ?? "the service is at rest"}, ${active} sessions active`;
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
