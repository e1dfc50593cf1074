// Breaks what is between the service and its database, and looks whether the service kept its promises.
import { parseArgs } from "node:util";
import { startCluster, type Cluster } from "./cluster.ts";
import type { Entry } from "./history.ts";
import { allFaults, type FaultName } from "./faults.ts";
import { killDatabase } from "./kills.ts";
import type { Finding } from "./rig.ts";
import { playRound, type RoundOptions } from "./rounds.ts";

const help = `npm run test:faults -- [--seed N] [--rounds M] [--kill] [--faults a,b]
                       [--probability P] [--leaving P]

  --seed N     the first round's seed; the next rounds have the next ones (default: 1)
  --rounds M   how many rounds, or how many kills (default: 20, or 10)
  --kill       instead of breaking the network, end the database under load with kill -9

  The seed decides on the faults and on the callers, but for what is given:
  --faults     names of faults: ${allFaults.join(", ")}
  --probability P   of a fault for each statement (default with --faults: 0.1)
  --leaving P  of a caller that leaves before the answer

Prints a line for each round, or each kill, and exits with 1 when an invariant is broken.`;

/** A round that breaks one invariant breaks it many times. */
const shownMax = 5;

process.exitCode = await main().catch((error: unknown) => {
  const { message, code } = error as NodeJS.ErrnoException;
  console.error(code?.startsWith("ERR_PARSE_ARGS") ? `${message}\n\n${help}` : error);
  return code?.startsWith("ERR_PARSE_ARGS") ? 2 : 1;
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
      help: { type: "boolean", default: false },
    },
  });
  const seed = Number(values.seed);
  const rounds = Number(values.rounds ?? (values.kill ? 10 : 20));
  const names = values.faults?.split(",") as FaultName[] | undefined;
  const unknown = names?.some((name) => !allFaults.includes(name)) ?? false;
  if (values.help || unknown || !Number.isSafeInteger(seed) || !Number.isSafeInteger(rounds)) {
    console.log(help);
    return values.help ? 0 : 2;
  }
  if (values.kill) return playKills(seed, rounds);
  const options: RoundOptions = {
    ...(names && { faults: { names, probability: Number(values.probability) } }),
    ...(values.leaving !== undefined && { load: { leaving: Number(values.leaving) } }),
  };
  await using cluster = await startCluster();
  for (let n = 0; n < rounds; n++) if (!(await play(cluster, seed + n, options))) return 1;
  return 0;
}

async function play(cluster: Cluster, seed: number, options: RoundOptions): Promise<boolean> {
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
  return findings.length === 0;
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
    for (const { client, invoked, returned, request, outcome, chunks } of history) {
      const text = [request, outcome, ...chunks].map((part) => JSON.stringify(part)).join(" ");
      // The id of a row begins with that of its import.
      if (ids.some((id) => text.includes(id.split("#")[0]!)))
        console.error(`  ${invoked}-${returned} client ${client}: ${text}`);
    }
  }
}
