import { planFaults, startFaults, type FaultPlan } from "./faults.ts";
import type { Entry } from "./history.ts";
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

/**
 * Plays one round: a service on a database behind a faulty network, traffic, and then quiet, in which nothing
 * may be wrong. The seed decides on the calls and the faults; how they meet is up to the machine, so that a
 * seed that found a violation finds it again most times, not always.
 */
export async function playRound(
  seed: number,
  database: RigDatabase,
  { load, faults: plan, ...options }: RoundOptions = {},
): Promise<Round> {
  const random = createRandom(seed);
  await using rig = await startRig(random.fork(), database, { ...options, load: { ...usualLoad, ...load } });
  const faults = startFaults(rig.proxy, database, random.fork(), plan ?? planFaults(random));
  await rig.traffic.open();
  await rig.traffic.run();
  await faults.end();
  return { seed, history: rig.history, injected: faults.injected, findings: await rig.conclude() };
}
