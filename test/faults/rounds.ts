import { planFaults, planReplicaFaults, startFaults, type FaultPlan } from "./faults.ts";
import type { Entry } from "./history.ts";
import { startNodeOutages } from "./node-outages.ts";
import { createRandom } from "./random.ts";
import { startRig, type Finding, type RigDatabase, type RigOptions } from "./rig.ts";
import type { Load } from "./calls.ts";

/** What a round is made of where the seed does not decide it. */
export type RoundOptions = Omit<RigOptions, "load"> & {
  readonly load?: Partial<Load>;
  readonly faults?: FaultPlan;
};

/** What happened in a round. */
export type Round = {
  readonly seed: number;
  readonly history: readonly Entry[];
  /** Faults by name. */
  readonly injected: ReadonlyMap<string, number>;
  readonly findings: readonly Finding[];
};

/** Some 200 calls: about a second, of which a tenth is for passwords. */
const usualLoad: Load = { clients: 8, callsPerClient: 22, attemptsMax: 12 };

/** Users who are deleted, and orders that grow, while others are at them. */
const racing = { dooming: 0.03, growing: 0.04 };

/** With several replicas: longer, for what happens seconds after it was asked for. */
const replicaLoad: Load = { clients: 10, callsPerClient: 16, attemptsMax: 12, scarce: true, ...racing };

/**
 * Plays one round: a service, or several replicas of it, on a database behind a faulty network, traffic, and
 * then quiet, in which nothing may be wrong. The seed decides on the calls and the faults; how they meet is
 * up to the machine, so that a seed that found a violation finds it again most times, not always.
 */
export async function playRound(
  seed: number,
  database: RigDatabase,
  { load, faults: plan, ...options }: RoundOptions = {},
): Promise<Round> {
  const random = createRandom(seed);
  const isReplicated = (options.replicas ?? 1) > 1;
  const usual = isReplicated ? replicaLoad : usualLoad;
  await using rig = await startRig(random.fork(), database, { ...options, load: { ...usual, ...load } });
  const toPlan = isReplicated ? planReplicaFaults : planFaults;
  const all = rig.replicas.map((replica) =>
    startFaults(replica, database, random.fork(), plan ?? toPlan(random)),
  );
  const { emulated } = database;
  const breaking = emulated ? [...all, startNodeOutages(emulated, random.fork())] : all;
  await rig.traffic.open();
  await rig.traffic.run();
  await Promise.all(breaking.map((faults) => faults.end()));
  const injected = new Map<string, number>();
  for (const [name, times] of breaking.flatMap((faults) => [...faults.injected]))
    injected.set(name, (injected.get(name) ?? 0) + times);
  return { seed, history: rig.history, injected, findings: await rig.conclude() };
}
