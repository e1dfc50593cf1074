import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import type { Connection, Engine } from "../../src/config.ts";
import { toClientConfig } from "../../src/db/engine/connection.ts";
import type { Fault, Proxy } from "../support/proxy.ts";
import type { Random } from "./random.ts";

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

const connectionFaults = ["end_idle", "refuse", "too_many_connections", "slice", "terminate"] as const;

export type FaultName = keyof typeof statementFaults | (typeof connectionFaults)[number];

/**
 * F1 to F12 and F14 of a database that is far away. F13, the death of the server, is a program of its own.
 */
export const allFaults: readonly FaultName[] = [
  ...(Object.keys(statementFaults) as (keyof typeof statementFaults)[]),
  ...connectionFaults,
];

/** Which faults, and how likely one is for each statement; the others come every `pauseMsMax` at most. */
export type FaultPlan = { readonly names: readonly FaultName[]; readonly probability: number };

/** Long enough for a caller to have come back twice. */
const lateMsMax = 120;
const pauseMsMax = 120;
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
  const some = allFaults.filter(() => random.chance(share));
  const plan = { names: some, probability: random.pick([0.005, 0.02, 0.06, 0.12]) };
  return random.chance(0.02) ? contention : plan;
}

type Pause = (ms: { readonly min: number; readonly max: number }) => Promise<void>;

/** Faults that go on until they are ended. */
export type Faults = {
  /** How many there were, by name of the fault. */
  readonly injected: ReadonlyMap<string, number>;
  /** Ends them; resolves when no statement is held back any more. */
  end(): Promise<void>;
};

/** Lets a proxy fail as planned. */
export function startFaults(
  proxy: Proxy,
  upstream: { readonly connection: Connection; readonly engine: Engine },
  random: Random,
  { names, probability }: FaultPlan,
): Faults {
  const injected = new Map<string, number>();
  const count = (name: string): void => void injected.set(name, (injected.get(name) ?? 0) + 1);
  const ofStatements = names.filter((name) => name in statementFaults) as (keyof typeof statementFaults)[];
  const ofConnections = connectionFaults.filter((name) => names.includes(name));
  const statements = random.fork();
  const ending = new AbortController();
  let heldUntilMs = 0;

  proxy.decidesIdentification = true;
  proxy.decide = () => {
    if (ofStatements.length === 0 || !statements.chance(probability)) return undefined;
    const name = statements.pick(ofStatements);
    count(name);
    const fault: Fault = statementFaults[name](statements);
    if ("ms" in fault) heldUntilMs = Math.max(heldUntilMs, performance.now() + fault.ms);
    return fault;
  };
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
        return proxy.endIdle();
      case "refuse":
      case "too_many_connections":
        proxy.refuse(name);
        await pause(refusalMs).finally(() => proxy.refuse(undefined));
        return;
      case "slice":
        proxy.slice(true);
        await pause(sliceMs).finally(() => proxy.slice(false));
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
      proxy.decide = () => undefined;
      ending.abort();
      await connections;
      await delay(Math.max(0, heldUntilMs - performance.now()));
    },
  };
}

/** Ends a session of the service on the server, as an administrator would. */
async function terminate(
  { connection, engine }: Parameters<typeof startFaults>[1],
  random: Random,
): Promise<void> {
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
