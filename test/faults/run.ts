// Breaks what is between the service and its database, and looks whether the service kept its promises.
import { parseArgs } from "node:util";
import { engineNames, startCluster, type Cluster } from "./cluster.ts";
import type { Entry } from "./history.ts";
import { allFaults, type FaultName } from "./faults.ts";
import { killDatabase } from "./kills.ts";
import { endWithSignals } from "./leftovers.ts";
import type { Finding } from "./rig.ts";
import { revive } from "./revive.ts";
import { playRound, type RoundOptions } from "./rounds.ts";

const help = `npm run test:faults -- [--seed N] [--rounds M] [--kill] [--faults a,b]
                       [--probability P] [--leaving P] [--replicas N] [--impatient P]
                       [--processes] [--go-on] [--revive N] [--engine NAME]

  --seed N     the first round's seed; the next rounds have the next ones (default: 1)
  --rounds M   how many rounds, or how many kills (default: 20, or 10)
  --kill       instead of breaking the network, end the database under load with kill -9

  The seed decides on the faults and on the callers, but for what is given:
  --faults     names of faults: ${allFaults.join(", ")}
  --probability P   of a fault for each statement (default with --faults: 0.1)
  --leaving P  of a caller that leaves before the answer

  --replicas N   services that share the database, each with faults of its own (default: 1). With more than
               one, callers repeat a call mostly at another replica, products are scarce, statements are
               kept for seconds, rows are locked, and replicas are cut off from the database and die
  --impatient P  the share of calls with deadlines from 20 ms to 2 s, or a cancellation at any moment, that
               are repeated at once (default: 0, or chance decides with more than one replica)
  --processes  services are processes of their own, whose clocks differ, and die by kill -9
  --revive N   instead of rounds, play N times each way in which a call that was refused could happen later,
               for each kind of call, and say how many did
  --engine     postgresql, or cockroachdb-emulated: an emulation of CockroachDB before PostgreSQL, whose nodes
               drain, die and hang one after the other (default: postgresql; not with --kill)
  --go-on      play all rounds, also after one in which an invariant is broken, and sum up

Prints a line for each round, each kill, or each kind of call, and exits with 1 when an invariant is broken.`;

/** A round that breaks one invariant breaks it many times. */
const shownMax = 5;

endWithSignals();
process.exitCode = await main().catch((error: unknown) => {
  const { message, code } = error as Error & { readonly code?: unknown };
  const isMisused = String(code).startsWith("ERR_PARSE_ARGS");
  console.error(isMisused ? `${message}\n\n${help}` : error);
  return isMisused ? 2 : 1;
});

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seed: { type: "string", default: "1" },
      rounds: { type: "string" },
      kill: { type: "boolean", default: false },
      faults: { type: "string" },
      probability: { type: "string", default: "0.1" },
      leaving: { type: "string" },
      replicas: { type: "string", default: "1" },
      impatient: { type: "string" },
      processes: { type: "boolean", default: false },
      revive: { type: "string" },
      "go-on": { type: "boolean", default: false },
      engine: { type: "string", default: "postgresql" },
      help: { type: "boolean", default: false },
    },
  });
  const seed = Number(values.seed);
  const rounds = Number(values.rounds ?? (values.kill ? 10 : 20));
  const names = values.faults?.split(",") as FaultName[] | undefined;
  const times = values.revive === undefined ? undefined : Number(values.revive);
  const unknown = names?.some((name) => !allFaults.includes(name)) ?? false;
  const engine = engineNames.find((name) => name === values.engine);
  const isWhole = [seed, rounds, times ?? 0].every(Number.isSafeInteger);
  if (values.help || unknown || !engine || !isWhole) {
    console.log(help);
    return values.help ? 0 : 2;
  }
  if (values.kill) return playKills(seed, rounds);
  if (times !== undefined) return playRevivals(times);
  const { leaving, impatient } = values;
  const options: RoundOptions = {
    ...(names && { faults: { names, probability: Number(values.probability) } }),
    load: {
      ...(leaving !== undefined && { leaving: Number(leaving) }),
      ...(impatient !== undefined && { impatient: Number(impatient) }),
    },
    replicas: Number(values.replicas),
    processes: values.processes,
  };
  await using cluster = await startCluster(engine);
  const broken = new Map<number, readonly Finding[]>();
  for (let n = 0; n < rounds && (broken.size === 0 || values["go-on"]); n++) {
    const findings = await play(cluster, seed + n, options);
    if (findings.length > 0) broken.set(seed + n, findings);
  }
  if (values["go-on"]) sumUp(rounds, broken);
  return broken.size > 0 ? 1 : 0;
}

/** Says in how many rounds which invariants were broken. */
function sumUp(rounds: number, broken: ReadonlyMap<number, readonly Finding[]>): void {
  const counts = Map.groupBy([...broken.values()].flat(), ({ invariant }) => invariant);
  const kinds = [...counts].map(([invariant, { length }]) => `${invariant} ${length}`).join(", ");
  const seeds = [...broken.keys()].join(", ");
  console.log(`${broken.size} of ${rounds} rounds broken: ${kinds || "nothing"}; seeds ${seeds || "none"}`);
}

async function play(cluster: Cluster, seed: number, options: RoundOptions): Promise<readonly Finding[]> {
  await using database = await cluster.clone();
  const start = performance.now();
  const { history, injected, findings } = await playRound(seed, database, options);
  const ms = (performance.now() - start).toFixed(0);
  const faults = [...injected].map(([name, times]) => `${name} ${times}`).join(", ");
  console.log(
    `seed ${seed}: ${toText(history)}; ${faults || "no faults"}; ${findings.length} violations; ${ms} ms`,
  );
  show(findings, history);
  if (findings.length > 0)
    console.error(`\nAgain: --seed ${seed} --rounds 1, with the other arguments of this run`);
  return findings;
}

async function playRevivals(times: number): Promise<number> {
  await using cluster = await startCluster();
  const revived = await revive(
    () => cluster.clone(),
    times,
    (line) => console.log(line),
  );
  return revived === 0 ? 0 : 1;
}

async function playKills(seed: number, kills: number): Promise<number> {
  let count = 0;
  const { history, findings } = await killDatabase(seed, kills, (readyMs) =>
    console.log(`kill ${++count}: the service answered ${readyMs.toFixed(0)} ms after the database was back`),
  );
  console.log(`seed ${seed}: ${toText(history)}; ${findings.length} violations`);
  show(findings, history);
  return findings.length === 0 ? 0 : 1;
}

function toText(history: readonly Entry[]): string {
  const count = (kind: string): number => history.filter(({ outcome }) => outcome.kind === kind).length;
  const counts = `${count("ok")} ok, ${count("failed")} failed, ${count("unknown")} unknown`;
  const chunks = history.flatMap((each) => each.chunks);
  const rows = chunks.reduce((sum, { firstIndex, lastIndex }) => sum + lastIndex - firstIndex + 1, 0);
  return `${history.length} attempts, ${counts}; ${rows} rows in ${chunks.length} chunks`;
}

/** Prints findings with the calls that they are about. */
function show(findings: readonly Finding[], history: readonly Entry[]): void {
  for (const { invariant, ids, sentence } of findings.slice(0, shownMax)) {
    console.error(`\n${invariant}: ${sentence}`);
    for (const { client, replica, invoked, returned, request, outcome, chunks } of history) {
      const text = [request, outcome, ...chunks].map((part) => JSON.stringify(part)).join(" ");
      const place = replica === undefined ? "" : ` at replica ${replica}`;
      // The id of a row begins with that of its import.
      if (ids.some((id) => text.includes(id.split("#")[0]!)))
        console.error(`  ${invoked}-${returned} client ${client}${place}: ${text}`);
    }
  }
}
