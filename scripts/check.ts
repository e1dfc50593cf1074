// All checks before a change is merged, except the tests: `npm run check`.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { cp, glob, mkdtempDisposable, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";

type Step = { readonly name: string; readonly what: string; readonly run: () => Promise<boolean> };

const root = path.join(import.meta.dirname, "..");
// Uses the programs of package.json, however this script is started.
const env = {
  ...process.env,
  PATH: [path.join(root, "node_modules/.bin"), process.env["PATH"]].join(path.delimiter),
};

const steps: readonly Step[] = [
  { name: "format", what: "oxfmt would change nothing", run: () => succeeds("oxfmt", "--check") },
  { name: "lint", what: "oxlint finds nothing", run: () => succeeds("oxlint", "--deny-warnings") },
  { name: "types", what: "tsc finds nothing, in bench/, client/ and examples/ neither", run: checkTypes },
  { name: "generated", what: "generated files are those that npm run generate writes", run: checkGenerated },
  {
    name: "buf-format",
    what: "buf would format nothing",
    run: () => succeeds("buf", "format", "-d", "--exit-code", "proto"),
  },
  { name: "buf-lint", what: "the contract is in good style", run: () => succeeds("buf", "lint") },
  { name: "buf-breaking", what: "callers of the previous main go on working", run: checkBreaking },
  {
    name: "dead-code",
    what: "knip finds no file, export or package without a use",
    run: () => succeeds("knip"),
  },
];

process.exitCode = await main();

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { only: { type: "string" }, help: { type: "boolean" } } });
  if (values.help) {
    console.log("npm run check -- [--only name,name]\n\nThe steps, all of which run even if one fails:");
    for (const { name, what } of steps) console.log(`  ${name.padEnd(14)}${what}`);
    return 0;
  }
  const names = values.only?.split(",") ?? steps.map(({ name }) => name);
  const unknown = names.filter((name) => !steps.some((step) => step.name === name));
  if (unknown.length > 0) {
    console.error(`no such step: ${unknown.join(", ")}; --help lists them`);
    return 2;
  }

  const summary: string[] = [];
  let failed = 0;
  for (const { name, what, run } of steps.filter((step) => names.includes(step.name))) {
    console.log(`\n== ${name}: ${what}`);
    const start = performance.now();
    const ok = await run();
    const seconds = ((performance.now() - start) / 1000).toFixed(2);
    summary.push(`${ok ? "ok    " : "FAILED"} ${seconds.padStart(6)} s  ${name}`);
    if (!ok) failed += 1;
  }
  console.log(`\n${summary.join("\n")}\n\n${summary.length - failed} of ${summary.length} checks hold`);
  return failed === 0 ? 0 : 1;
}

/** Of the service with its tests and scripts, and of what has a configuration of its own. */
async function checkTypes(): Promise<boolean> {
  const service = await succeeds("tsc", "-p", ".");
  const bench = await succeeds("tsc", "-p", "bench");
  const client = await succeeds("tsc", "-p", "client");
  const example = await succeeds("tsc", "-p", "examples/typescript");
  return (await succeeds("tsc", "-p", "client/tsconfig.web.json")) && example && client && bench && service;
}

/**
 * Regenerates in place, and compares contents, not with git: the working tree may have uncommitted changes.
 */
async function checkGenerated(): Promise<boolean> {
  const before = await digestGenerated();
  if (!(await succeeds("npm", "run", "--silent", "generate"))) return false;
  const after = await digestGenerated();
  const changed = [...new Set([...before.keys(), ...after.keys()])]
    .filter((file) => before.get(file) !== after.get(file))
    .toSorted();
  if (changed.length > 0) console.error(`changed by npm run generate; commit it:\n  ${changed.join("\n  ")}`);
  return changed.length === 0;
}

async function digestGenerated(): Promise<Map<string, string>> {
  const digests = new Map<string, string>();
  for await (const file of glob(
    [
      "{src,client/src}/gen/**/*.{ts,binpb}",
      "src/errors/catalogue.ts",
      "third_party/**/*.{proto,md}",
      "schema.sql",
      "docs/{api,configuration,errors,limits}.md",
    ],
    { cwd: root },
  )) {
    digests.set(
      file,
      createHash("sha256")
        .update(await readFile(path.join(root, file)))
        .digest("hex"),
    );
  }
  return digests;
}

/** Compares with the previous contract, beside what it imports now: only our own is compared. */
async function checkBreaking(): Promise<boolean> {
  const base = await findBase();
  if (base === undefined) {
    console.log(
      "nothing to compare with: no previous commit is known here (the first one, or a shallow clone)",
    );
    return true;
  }
  if ((await capture("git", "rev-parse", "--verify", "--quiet", `${base}^{commit}`)) === undefined) {
    console.error(`BREAKING_BASE names no commit: ${base}`);
    return false;
  }
  if ((await capture("git", "cat-file", "-t", `${base}:proto`)) === undefined) {
    console.log(`nothing to compare with: ${base} has no proto/`);
    return true;
  }
  await using directory = await mkdtempDisposable(path.join(tmpdir(), "buf-breaking-"));
  const archive = path.join(directory.path, "proto.tar");
  console.log(`against ${base}`);
  for (const part of ["buf.yaml", "third_party"]) {
    await cp(path.join(root, part), path.join(directory.path, part), { recursive: true });
  }
  return (
    (await succeeds("git", "archive", "--output", archive, base, "proto")) &&
    (await succeeds("tar", "-xf", archive, "-C", directory.path)) &&
    (await succeeds("buf", "breaking", "--against", directory.path))
  );
}

/** The previous main: BREAKING_BASE if set, else origin's main, else, on main itself, the commit before. */
async function findBase(): Promise<string | undefined> {
  if (process.env["BREAKING_BASE"]) return process.env["BREAKING_BASE"];
  const [head, originMain, previous] = await Promise.all(
    ["HEAD", "origin/main", "HEAD~1"].map((name) =>
      capture("git", "rev-parse", "--verify", "--quiet", `${name}^{commit}`),
    ),
  );
  if (originMain !== undefined && originMain !== head) return "origin/main";
  return previous === undefined ? undefined : "HEAD~1";
}

/** Runs a program and shows its output; returns whether it succeeded. */
async function succeeds(program: string, ...args: string[]): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const child = spawn(program, args, { cwd: root, env, stdio: "inherit" });
  child.once("error", (error) => {
    console.error(error.message);
    resolve(false);
  });
  child.once("exit", (code) => resolve(code === 0));
  return promise;
}

/** Returns a program's output, or undefined if it fails. */
async function capture(program: string, ...args: string[]): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const child = spawn(program, args, { cwd: root, env, stdio: ["ignore", "pipe", "ignore"] });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  child.once("error", () => resolve(undefined));
  child.once("close", (code) => resolve(code === 0 ? output.trim() : undefined));
  return promise;
}
