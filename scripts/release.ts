// Makes a release of what is unreleased: `npm run release`.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { readUnreleased, release } from "./release/changelog.ts";
import { setVersion, versionedFiles } from "./release/files.ts";
import { isAfter, nextVersion } from "./release/version.ts";

const usage = `usage: npm run release -- [options]

Gives what CHANGELOG.md has under "Unreleased" a version and today's date, sets the version of the packages
and of the image, commits that, and tags the commit. It pushes nothing: the workflow of the tag builds the
image and the release when you do.

  --dry-run      says what would be done, and does nothing
  --version X    the version, such as 1.4.0; by default the one that follows by the entries: one that begins
                 with **Breaking** makes a major one (a minor one before 1.0.0), an addition a minor one
  --help         prints this

Run it at the root of a clean checkout. The contract must not break callers of the last release, unless an
entry says **Breaking**.

Exit codes: 0 done, 1 there is nothing to release, or not from here, 2 the arguments are wrong.`;

/** The files that have the version, and the changes. */
const files = [...versionedFiles, "CHANGELOG.md"] as const;

type Plan = { readonly version: string; readonly tag: string; readonly text: string; readonly date: string };

/** Of a program that could not be started it has a message only. */
type Failure = Error & { readonly status?: number; readonly stdout?: string; readonly stderr?: string };

/** buf exits with this code where it has compared, and found what breaks callers. */
const breakingCode = 100;

process.exitCode = main();

function main(): number {
  let values;
  try {
    const text = { type: "string" } as const;
    const flag = { type: "boolean", default: false } as const;
    ({ values } = parseArgs({ options: { "dry-run": flag, version: text, help: flag } }));
  } catch (error) {
    console.error(`${(error as Error).message}; --help lists the options`);
    return 2;
  }
  if (values.help) {
    console.log(usage);
    return 0;
  }
  try {
    const plan = makePlan(values.version);
    console.log(`version ${plan.version}, tag ${plan.tag}, files ${files.join(", ")}\n\n${plan.text}\n`);
    if (values["dry-run"]) console.log("nothing was done: --dry-run");
    else carryOut(plan);
    return 0;
  } catch (error) {
    console.error(`no release: ${(error as Error).message}`);
    return 1;
  }
}

function makePlan(asked: string | undefined): Plan {
  for (const file of files) if (!existsSync(file)) throw new Error(`there is no ${file} here`);
  const changed = git("status", "--porcelain");
  if (changed !== "") throw new Error(`the checkout is not clean: ${changed.split("\n", 1)[0]}`);
  const { version: current } = JSON.parse(read("package.json")) as { readonly version: string };
  const unreleased = readUnreleased(read("CHANGELOG.md"));
  const count = [...unreleased.entries.values()].reduce((sum, entries) => sum + entries, 0);
  if (count === 0) throw new Error("CHANGELOG.md has nothing under ## Unreleased");
  const [last] = git("tag", "--list", "v*", "--sort=-version:refname").split("\n");
  const version = asked ?? (last ? nextVersion(current, unreleased) : current);
  const tag = `v${version}`;
  if (git("tag", "--list", tag) !== "") throw new Error(`there is a tag ${tag} already`);
  if (last && !isAfter(version, last.slice(1))) throw new Error(`${version} does not come after ${last}`);
  if (!last) console.log("there is no release before: the contract is compared with none");
  else if (!unreleased.isBreaking) expectCompatible(last);
  return { version, tag, text: unreleased.text, date: new Date().toISOString().slice(0, 10) };
}

/** Throws if the contract breaks callers of a release, or cannot be compared. */
function expectCompatible(tag: string): void {
  try {
    execFileSync("buf", ["breaking", "--against", `.git#tag=${tag}`], { encoding: "utf8", stdio: "pipe" });
  } catch (error) {
    const { status, stdout = "", stderr = "", message } = error as Failure;
    const what =
      status === breakingCode
        ? `the contract breaks callers of ${tag}, and no entry says **Breaking**`
        : `the contract cannot be compared with ${tag}`;
    throw new Error(`${what}:\n${`${stdout}${stderr}`.trim() || message}`, { cause: error });
  }
}

function carryOut({ version, tag, date }: Plan): void {
  for (const file of versionedFiles) writeFileSync(file, setVersion(file, read(file), version));
  writeFileSync("CHANGELOG.md", release(read("CHANGELOG.md"), version, date));
  git("add", ...files);
  git("commit", "--quiet", "--message", `Release ${version}`);
  git("tag", "--annotate", tag, "--message", `commerce-core ${version}`);
  console.log(`committed and tagged; to publish it: git push --follow-tags`);
}

function read(file: string): string {
  return readFileSync(file, "utf8");
}

/** Runs git and returns what it prints. */
function git(...args: readonly string[]): string {
  return execFileSync("git", args, { encoding: "utf8" }).trim();
}
