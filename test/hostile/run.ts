// Plays attacks against the service, one by one, and prints how a normal caller beside them fared.
import { parseArgs } from "node:util";
import { type Cluster, startCluster } from "../faults/cluster.ts";
import type { Attack } from "./attack.ts";
import { attacks } from "./attacks.ts";
import { judge, playAttack, REACH, type Result, warm } from "./playing.ts";
import { printTable } from "./table.ts";
import { startTarget } from "./target.ts";

const help = `npm run test:hostile -- [--attack NAME[,NAME]] [--seconds N] [--small] [--list]

  --attack NAME   only these attacks, or all whose names begin so (default: all)
  --seconds N     how long each attack goes on (default: what it needs, mostly 10)
  --small         the small forms, which npm test plays
  --rest N        seconds between an attack and the last look at the memory (default: 10)
  --list          the names of all attacks and what they do

Each attack meets a service of its own, with a heap of 1 GiB, and a normal caller beside it. Prints a line for
each, and then a table. Exits with 1 when one breaks the reach: the process lives; no normal call fails;
health answers within ${REACH.stallMs} ms; resident memory stays below
${REACH.residentBytes / 2 ** 20} MiB and is back within ${REACH.leftBytes / 2 ** 20} MiB after the rest; each
answer of the attacker is one that it may get. A service of over 3 GiB is killed, for the machine's sake.`;

process.exitCode = await main().catch((error: unknown) => {
  const { message, code } = error as NodeJS.ErrnoException;
  console.error(code?.startsWith("ERR_PARSE_ARGS") ? `${message}\n\n${help}` : error);
  return code?.startsWith("ERR_PARSE_ARGS") ? 2 : 1;
});

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      attack: { type: "string" },
      seconds: { type: "string" },
      rest: { type: "string", default: "10" },
      small: { type: "boolean", default: false },
      list: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const names = values.attack?.split(",");
  const chosen = attacks.filter(({ name }) => names?.some((each) => name.startsWith(each)) ?? true);
  const [seconds, rest] = [Number(values.seconds ?? 1), Number(values.rest)];
  if (values.help || chosen.length === 0 || !(seconds > 0) || !(rest >= 0)) {
    console.log(help);
    return values.help ? 0 : 2;
  }
  if (values.list) {
    const width = Math.max(...chosen.map(({ name }) => name.length));
    for (const { name, what } of chosen) console.log(`${name.padEnd(width)}  ${what}`);
    return 0;
  }
  await using cluster = await startCluster();
  const results: Result[] = [];
  for (const attack of chosen) {
    process.stderr.write(`${results.length + 1} of ${chosen.length}: ${attack.name} …\n`);
    const form = values.small ? attack.small : attack.long;
    const asked = values.seconds === undefined ? form : { ...form, ms: seconds * 1000 };
    const result = await play(cluster, attack, asked, { restMs: rest * 1000, isSmall: values.small });
    results.push(result);
    process.stderr.write(`   ${result.seconds.toFixed(1)} s; ${judge(result).join(", ") || "held"}\n`);
  }
  printTable(results);
  return results.every((result) => judge(result).length === 0) ? 0 : 1;
}

async function play(
  cluster: Cluster,
  attack: Attack,
  form: Attack["long"],
  options: { readonly restMs: number; readonly isSmall: boolean },
): Promise<Result> {
  await using database = await cluster.clone();
  await using target = await startTarget(database.connection, attack.mode);
  await warm(target);
  return await playAttack(target, attack, form, options);
}
