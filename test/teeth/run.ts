// Makes mistakes in a copy of the project, one at a time, and tells which of them no test sees.
import { parseArgs } from "node:util";
import type { Mutation } from "./mutation.ts";
import { mutations } from "./mutations.ts";
import { type Bench, openWorkshop } from "./workshop.ts";

/** The part of the mutations that must be seen. */
const scoreMin = 0.95;

const help = `npm run test:teeth -- [--file PREFIX] [--parallel N] [--list]

  --file PREFIX   only mutations of files whose paths begin so (default: all ${mutations.length})
  --parallel N    copies of the project in which mutations are made at once (default: 2)
  --list          the mutations, and the tests that are to see them

Copies the project into a temporary directory, makes one small mistake at a time there and runs the tests that
must see it. Prints each mistake that no test saw, and the part of those that were seen.

Exit codes: 0 at least ${scoreMin * 100} % were seen, 1 fewer, 2 the arguments are wrong, or the tests fail
without any mistake.`;

const interrupted = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const)
  process.once(name, () => interrupted.abort(new Error(`ended by ${name}`)));

process.exitCode = await main().catch((error: unknown) => {
  const { message, code } = error as NodeJS.ErrnoException;
  console.error(code?.startsWith("ERR_PARSE_ARGS") ? `${message}\n\n${help}` : message);
  return 2;
});

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      file: { type: "string", default: "" },
      parallel: { type: "string", default: "2" },
      list: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const chosen = mutations.filter(({ file }) => file.startsWith(values.file));
  const parallel = Number(values.parallel);
  if (values.help || chosen.length === 0 || !Number.isInteger(parallel) || parallel < 1) {
    console.log(help);
    return values.help ? 0 : 2;
  }
  if (values.list) {
    for (const { file, what, tests } of chosen) console.log(`${file}: ${what}\n    ${tests.join(" ")}`);
    return 0;
  }
  await using workshop = await openWorkshop(parallel, interrupted.signal);
  const [bench] = workshop.benches;
  const tests = [...new Set(chosen.flatMap((mutation) => mutation.tests))].toSorted();
  console.log(`${chosen.length} mutations; first ${tests.length} test files without any …`);
  const { passed, output } = await bench!.run(tests);
  if (!passed) {
    console.error(`${output}\nthe tests fail without any mutation`);
    return 2;
  }
  return report(chosen, await tryAll(workshop.benches, chosen));
}

/** Tries the mutations on all benches at once; answers those that no test saw. */
async function tryAll(benches: readonly Bench[], chosen: readonly Mutation[]): Promise<Mutation[]> {
  const survivors: Mutation[] = [];
  const left = chosen.entries();
  const work = async (bench: Bench): Promise<void> => {
    for (const [n, mutation] of left) {
      const startMs = performance.now();
      const { passed } = await bench.runWith(mutation);
      const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
      if (passed) survivors.push(mutation);
      const verdict = passed ? "NOT SEEN" : "seen";
      console.log(
        `${n + 1} of ${chosen.length}: ${verdict} in ${seconds} s, ${mutation.file}: ${mutation.what}`,
      );
    }
  };
  await Promise.all(benches.map(work));
  return survivors;
}

function report(chosen: readonly Mutation[], survivors: readonly Mutation[]): number {
  for (const { file, what, tests } of survivors)
    console.log(`\nnot seen: ${file}\n  ${what}\n  by ${tests.join(" ")}`);
  const seen = chosen.length - survivors.length;
  const score = seen / chosen.length;
  console.log(`\n${seen} of ${chosen.length} mutations were seen (${(score * 100).toFixed(1)} %)`);
  return score >= scoreMin ? 0 : 1;
}
