import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { root } from "./support/embedded.ts";

type Step = { readonly uses?: string; readonly run?: string };
type Workflow = { readonly jobs: Readonly<Record<string, { readonly steps: readonly Step[] }>> };

const directory = path.join(root, ".github/workflows");
const files = await readdir(directory);

test.each(files)("the workflow %s calls scripts that there are, and actions of a version", async (file) => {
  const { jobs } = parse(await readFile(path.join(directory, file), "utf8")) as Workflow;
  const { scripts } = JSON.parse(await readFile(path.join(root, "package.json"), "utf8")) as {
    readonly scripts: Readonly<Record<string, string>>;
  };
  const steps = Object.values(jobs).flatMap((job) => job.steps);
  const called = steps.flatMap(({ run = "" }) => [...run.matchAll(/npm (?:run )?(test|(?<=run )[\w:]+)/g)]);

  expect(steps.length).toBeGreaterThan(2);
  expect(called.length).toBeGreaterThan(0);
  expect(called.map(([, name]) => name!).filter((name) => !Object.hasOwn(scripts, name))).toEqual([]);
  const actions = steps.flatMap(({ uses }) => uses ?? []);
  expect(actions.filter((action) => !/^[\w-]+\/[\w-]+@v\d+$/.test(action))).toEqual([]);
});
