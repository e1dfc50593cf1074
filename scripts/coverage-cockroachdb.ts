// Tells which code for CockroachDB alone the tests have run: `npm run coverage:cockroachdb`.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { globSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { findPlaces, type Place, type Point } from "./coverage/places.ts";

const help = `Usage: npm run coverage:cockroachdb -- [options] [TESTS]

Runs the service tests on the emulation of CockroachDB, and the tests of the emulation, and prints each line
of src/db that is for CockroachDB alone with how often it has run. TESTS are paths of test files to run
instead.
CockroachDB itself is not run.

  --help  prints this

Exit codes: 0 every line has run, 1 some have not or tests have failed, 2 the arguments are wrong.
`;

const root = path.join(import.meta.dirname, "..");

/** What is reported of a file: https://github.com/gotwarlost/istanbul/blob/master/coverage.json.md. */
type FileCoverage = {
  readonly branchMap: Readonly<Record<string, { readonly loc: { readonly start: Point } }>>;
  readonly b: Readonly<Record<string, readonly number[]>>;
  readonly statementMap: Readonly<Record<string, { readonly start: Point }>>;
  readonly s: Readonly<Record<string, number>>;
};

process.exitCode = await main();

async function main(): Promise<number> {
  let tests: readonly string[];
  try {
    const { values, positionals } = parseArgs({
      options: { help: { type: "boolean" } },
      allowPositionals: true,
    });
    if (values.help) {
      process.stdout.write(help);
      return 0;
    }
    tests = positionals.length > 0 ? positionals : ["test/service", "test/cockroach"];
  } catch (error) {
    console.error(`${(error as Error).message}; --help lists the options`);
    return 2;
  }
  const directory = await mkdtemp(path.join(tmpdir(), "commerce-core-coverage-"));
  try {
    const passed = await runTests(tests, directory);
    const file = path.join(directory, "coverage-final.json");
    const all = JSON.parse(await readFile(file, "utf8")) as Readonly<Record<string, FileCoverage>>;
    return (await report(all)) && passed ? 0 : 1;
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function runTests(tests: readonly string[], directory: string): Promise<boolean> {
  const projects = ["unit", "cockroachdb (emulated)"].flatMap((name) => ["--project", name]);
  const options = ["--coverage.enabled", "--coverage.reporter=json", "--coverage.include=src/db/**"];
  const child = spawn(
    process.execPath,
    [
      path.join(root, "node_modules/vitest/vitest.mjs"),
      "run",
      ...projects,
      ...options,
      "--coverage.reportOnFailure",
      `--coverage.reportsDirectory=${directory}`,
      ...tests,
    ],
    { cwd: root, stdio: "inherit" },
  );
  const [code] = (await once(child, "close")) as [number | null];
  return code === 0;
}

/** Prints all places; returns whether each has run. */
async function report(all: Readonly<Record<string, FileCoverage>>): Promise<boolean> {
  let [run, places] = [0, 0];
  for (const file of globSync("src/db/**/*.ts", { cwd: root }).toSorted()) {
    const coverage = all[path.join(root, file)];
    for (const place of findPlaces(file, await readFile(path.join(root, file), "utf8"))) {
      const times = coverage ? countRuns(place, coverage) : 0;
      places++;
      if (times > 0) run++;
      console.log(`${String(times).padStart(7)}  ${file}:${place.line}  ${place.text}`);
    }
  }
  console.log(`\n${run} of ${places} places for CockroachDB have run on its emulation`);
  return run === places;
}

function countRuns({ of }: Place, { branchMap, b, statementMap, s }: FileCoverage): number {
  if (of.kind === "side") {
    const [id] = Object.entries(branchMap).find(([, { loc }]) => isSame(loc.start, of.start)) ?? [""];
    return b[id]?.[of.side] ?? 0;
  }
  const inside = Object.entries(statementMap).filter(
    ([, { start }]) => start.line >= of.start.line && start.line <= of.end.line,
  );
  // Each statement of a function, or it has not run.
  return Math.min(...inside.map(([id]) => s[id] ?? 0));
}

function isSame(one: Point, other: Point): boolean {
  return one.line === other.line && one.column === other.column;
}
