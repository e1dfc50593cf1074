import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { toClientConfig } from "../../src/db/engine/connection.ts";
import type { Fault } from "../support/proxy.ts";
import { outageNames, startOutages, type OutageName } from "./outages.ts";
import type { Random } from "./random.ts";
import type { Replica } from "./replica.ts";
import type { RigDatabase } from "./services.ts";

/** What breaks, by name: what happens to a statement, and what happens to connections beside it. */
const statementFaults = {
  cut_before: () => ({ kind: "cut_before" }),
  drop_answer: () => ({ kind: "drop_answer" }),
  cut_after: () => ({ kind: "cut_after" }),
  hang: () => ({ kind: "hang" }),
  half_open: () => ({ kind: "half_open" }),
  orphan: () => ({ kind: "orphan" }),
  aborted: (chance) => ({ kind: "error", code: chance.pick(["40001", "40P01", "57P01", "53300"]) }),
  unknown: (chance) => ({ kind: "error_after", code: chance.pick(["40003", "08007", "58C00"]) }),
  late: (chance) => ({ kind: "late", ms: chance.between(1, lateMsMax) }),
  delay: (chance) => ({ kind: "delay", ms: chance.between(1, 75) }),
} as const satisfies Record<string, (chance: Random) => Fault>;

/** What matters where a caller may be answered elsewhere before it happens: statements kept for seconds. */
const slowFaults = {
  kept: (chance) => ({ kind: "stall", until: keep(toKeptMs(chance)), hasLeft: true }),
  very_late: (chance) => ({ kind: "late", ms: toKeptMs(chance) }),
} as const satisfies Record<string, (chance: Random) => Fault>;

const ofStatement = { ...statementFaults, ...slowFaults };

const connectionFaults = ["end_idle", "refuse", "too_many_connections", "slice", "terminate"] as const;

export type FaultName = keyof typeof ofStatement | (typeof connectionFaults)[number] | OutageName;

/**
 * F1 to F12 and F14 of a database that is far away. F13, the death of the server, is a program of its own.
 */
const usualFaults: readonly FaultName[] = [
  ...(Object.keys(statementFaults) as (keyof typeof statementFaults)[]),
  ...connectionFaults,
];

/** What is added where there are several replicas. */
const replicaFaults: readonly FaultName[] = [
  ...(Object.keys(slowFaults) as (keyof typeof slowFaults)[]),
  ...outageNames,
];

export const allFaults: readonly FaultName[] = [...usualFaults, ...replicaFaults];

/** Which faults, and how likely one is for each statement; the others come every `pauseMsMax` at most. */
export type FaultPlan = { readonly names: readonly FaultName[]; readonly probability: number };

/** Long enough for a caller to have come back twice. */
const lateMsMax = 120;
/** How long statements are kept: from a moment to longer than any deadline of a round. */
const keptMs = { min: 50, max: [400, 1_500, 4_000] };

function toKeptMs(chance: Random): number {
  return chance.between(keptMs.min, chance.pick(keptMs.max));
}

function keep(ms: number): Promise<unknown> {
  return delay(ms, undefined, { ref: false });
}

const pauseMsMax = 120;
/** How far apart the statements arrive that a network has kept. */
const lagMsMax = 300;
/** How long connections are refused: less than callers are patient for. */
const refusalMs = { min: 10, max: 60 };
/** A sliced statement takes a tenth of a second, so that there is time for few. */
const sliceMs = { min: 2, max: 10 };

/** So many aborts that some chunks of imports meet eight in a row, and are halved. */
const contention: FaultPlan = { names: ["aborted"], probability: 0.7 };

/**
 * Chooses some of the faults and how many. A round in which everything breaks at once hides what one fault
 * alone would show, and rarely gets far.
 */
export function planFaults(random: Random): FaultPlan {
  const share = random.pick([0.2, 0.5, 1]);
  const some = usualFaults.filter(() => random.chance(share));
  const plan = { names: some, probability: random.pick([0.005, 0.02, 0.06, 0.12]) };
  return random.chance(0.02) ? contention : plan;
}

/** The same for one of several replicas: often with nothing else than what is slow. */
export function planReplicaFaults(random: Random): FaultPlan {
  const rare: FaultPlan = { names: [], probability: random.pick([0.005, 0.02, 0.06]) };
  const { names, probability } = random.chance(0.4) ? planFaults(random) : rare;
  return { names: [...names, ...replicaFaults.filter(() => random.chance(0.7))], probability };
}

type Pause = (ms: { readonly min: number; readonly max: number }) => Promise<void>;

/** Faults that go on until they are ended. */
export type Faults = {
  /** How many there were, by name of the fault. */
  readonly injected: ReadonlyMap<string, number>;
  /** Ends them; resolves when no statement is held back any more. */
  end(): Promise<void>;
};

/** Lets the proxy of a replica fail as planned, and the replica itself. */
export function startFaults(
  replica: Replica,
  upstream: RigDatabase,
  random: Random,
  { names, probability }: FaultPlan,
): Faults {
  const injected = new Map<string, number>();
  const count = (name: string): void => void injected.set(name, (injected.get(name) ?? 0) + 1);
  const ofStatements = names.filter((name) => name in ofStatement) as (keyof typeof ofStatement)[];
  const ofConnections = connectionFaults.filter((name) => names.includes(name));
  const statements = random.fork();
  const ending = new AbortController();
  const kept = new Set<Promise<unknown>>();
  let heldUntilMs = 0;

  const decide = (): Fault | undefined => {
    const healed = outages.healed();
    // What was sent arrives when the network is back, and not all of it in order.
    if (healed)
      return {
        kind: "stall",
        until: healed.then(() => keep(statements.between(0, lagMsMax))),
        hasLeft: true,
      };
    if (ofStatements.length === 0 || !statements.chance(probability)) return undefined;
    const name = statements.pick(ofStatements);
    count(name);
    return ofStatement[name](statements);
  };
  const hold = (fault: Fault | undefined): Fault | undefined => {
    if (fault && "ms" in fault) heldUntilMs = Math.max(heldUntilMs, performance.now() + fault.ms);
    if (fault && "until" in fault) kept.add(fault.until);
    return fault;
  };
  const install = (): void => {
    replica.proxy.decidesIdentification = true;
    replica.proxy.decide = () => hold(decide());
  };
  const ofReplica = outageNames.filter((name) => names.includes(name));
  const fork = ofReplica.length > 0 ? random.fork() : random;
  const outages = startOutages(replica, upstream.connection, fork, ofReplica, {
    began: count,
    renewed: install,
  });
  install();
  const connections = breakConnections().catch((error: unknown) => {
    if (!ending.signal.aborted) throw error;
  });

  async function breakConnections(): Promise<void> {
    const pause: Pause = ({ min, max }) =>
      delay(random.between(min, max), undefined, { signal: ending.signal });
    while (ofConnections.length > 0) {
      await pause({ min: 5, max: pauseMsMax });
      const name = random.pick(ofConnections);
      count(name);
      await breakConnection(name, pause);
    }
  }

  async function breakConnection(name: (typeof connectionFaults)[number], pause: Pause): Promise<void> {
    switch (name) {
      case "end_idle":
        return replica.proxy.endIdle();
      case "refuse":
      case "too_many_connections":
        // A replica that is cut off stays so.
        if (outages.healed()) return;
        replica.proxy.refuse(name);
        await pause(refusalMs).finally(() => {
          if (!outages.healed()) replica.proxy.refuse(undefined);
        });
        return;
      case "slice":
        replica.proxy.slice(true);
        await pause(sliceMs).finally(() => replica.proxy.slice(false));
        return;
      case "terminate":
        return terminate(upstream, random);
      default:
        name satisfies never;
    }
  }

  return {
    injected,
    async end() {
      const calm = (): void => void (replica.proxy.decide = () => undefined);
      calm();
      ending.abort();
      await Promise.all([connections, outages.end()]);
      // Another service may have begun meanwhile.
      calm();
      await Promise.all(kept);
      await delay(Math.max(0, heldUntilMs - performance.now()));
    },
  };
}

/** Ends a session of the service on the server, as an administrator would. */
async function terminate({ connection, engine, emulated }: RigDatabase, random: Random): Promise<void> {
  if (emulated) {
    // It has no other sessions than those of the round.
    const sessions = [...emulated.sessions().values()].flat();
    return sessions.length > 0 ? random.pick(sessions).end() : undefined;
  }
  if (engine !== "postgresql") return;
  const client = new pg.Client(toClientConfig(connection));
  client.on("error", () => {});
  await client.connect();
  try {
    const others =
      "datname = current_database() and application_name like 'commerce-core%' and pid <> pg_backend_pid()";
    const { rows } = await client.query<{ pid: number }>(
      `select pid from pg_stat_activity where ${others} order by pid`,
    );
    if (rows.length > 0) await client.query("select pg_terminate_backend($1)", [random.pick(rows).pid]);
  } finally {
    await client.end();
  }
}
