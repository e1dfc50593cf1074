// Breaks the network between the service and its database, and looks whether it kept its promises.
import { parseArgs } from "node:util";
import { startCluster, type Cluster } from "./cluster.ts";
import { playRound, type Round } from "./rounds.ts";

const help = `npm run test:faults -- [--seed N] [--rounds M] [--kill]

  --seed N     the first round's seed; the next rounds have the next ones (default: 1)
  --rounds M   how many rounds (default: 20)
  --kill       instead of rounds: kill -9 of the database under load, ten times

Prints a line for each round and exits with 1 after a round that broke an invariant.`;

/** A round that breaks one invariant breaks it many times. */
const shownMax = 5;

process.exitCode = await main();

async function main(): Promise<number> {
  const options = {
    seed: { type: "string" },
    rounds: { type: "string" },
    kill: { type: "boolean" },
    help: { type: "boolean" },
  } as const;
  const { values } = parseArgs({ options });
  const seed = Number(values.seed ?? 1);
  const rounds = Number(values.rounds ?? 20);
  if (values.help || !Number.isSafeInteger(seed) || !Number.isSafeInteger(rounds)) {
    console.log(help);
    return values.help ? 0 : 2;
  }
  await using cluster = await startCluster();
  for (let n = 0; n < rounds; n++) if (!(await play(cluster, seed + n))) return 1;
  return 0;
}

async function play(cluster: Cluster, seed: number): Promise<boolean> {
  await using database = await cluster.clone();
  const start = performance.now();
  const round = await playRound(seed, database);
  const ms = (performance.now() - start).toFixed(0);
  console.log(`${toLine(round)}  ${ms} ms`);
  if (round.violations.length === 0) return true;
  for (const { invariant, ids, sentence } of round.violations.slice(0, shownMax)) {
    console.error(`\n${invariant}: ${sentence}\n  ${ids.join("\n  ")}`);
    for (const { client, invoked, returned, request, outcome } of round.history)
      if (ids.some((id) => JSON.stringify([request, outcome]).includes(id)))
        console.error(
          `  [${invoked}, ${returned}] client ${client} ${JSON.stringify(request)} ${JSON.stringify(outcome)}`,
        );
  }
  console.error(`\nAgain: npm run test:faults -- --seed ${seed} --rounds 1`);
  return false;
}

function toLine({ seed, history, injected, violations }: Round): string {
  const count = (kind: string): number => history.filter(({ outcome }) => outcome.kind === kind).length;
  const faults = [...injected].map(([name, times]) => `${name} ${times}`).join(", ");
  return [
    `seed ${seed}: ${history.length} attempts, ${count("ok")} ok, ${count("failed")} failed, ${count("unknown")} unknown`,
    `faults: ${faults || "none"}`,
    `violations: ${violations.length}`,
  ].join("; ");
}
