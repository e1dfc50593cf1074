import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { root } from "./support/embedded.ts";
import { findEngines } from "./support/engines.ts";

type Step = {
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, unknown>>;
};
type Job = {
  readonly steps: readonly Step[];
  readonly strategy?: { readonly matrix: { readonly node?: unknown } };
};
type Workflow = { readonly jobs: Readonly<Record<string, Job>> };

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

test.each(files)("the workflow %s names projects of the tests that there are", async (file) => {
  const { jobs } = parse(await readFile(path.join(directory, file), "utf8")) as Workflow;
  const engines = await findEngines({ TEST_DATABASE_URL: "postgres://a@127.0.0.1/a" });
  const projects = ["unit", "hostile", "cockroachdb", ...engines.map(({ name }) => name)];

  const commands = Object.values(jobs).flatMap(({ steps }) => steps.flatMap(({ run }) => run ?? []));
  const named = commands.flatMap((run) => [...run.matchAll(/--project (?:'([^']+)'|(\S+))/g)]);

  expect(named.map(([, quoted, bare]) => quoted ?? bare).filter((name) => !projects.includes(name!))).toEqual(
    [],
  );
});

test("a job for several versions of Node runs them, not the one that npm ci brings", async () => {
  const { jobs } = parse(await readFile(path.join(directory, "ci.yml"), "utf8")) as Workflow;
  const several = Object.values(jobs).filter(({ strategy }) => strategy?.matrix.node !== undefined);

  expect(several.length).toBeGreaterThan(0);
  for (const { steps } of several) {
    const commands = steps.flatMap(({ run }) => run ?? []);
    expect(commands.slice(0, 2)).toEqual(["npm ci", "rm node_modules/.bin/node"]);
  }
});

test("the image is pushed under the version that the manifests name, for platforms that can be built", async () => {
  const { jobs } = parse(await readFile(path.join(directory, "release.yml"), "utf8")) as Workflow;
  const steps = Object.values(jobs).flatMap((job) => job.steps);
  const build = steps.findIndex(({ uses }) => uses?.startsWith("docker/build-push-action@"));
  const emulator = steps.findIndex(({ uses }) => uses?.startsWith("docker/setup-qemu-action@"));

  expect(steps[build]?.with).toMatchObject({
    tags: "${{ env.IMAGE }}:${{ env.VERSION }}",
    platforms: "linux/amd64,linux/arm64",
  });
  expect(emulator).toBeGreaterThan(-1);
  expect(emulator).toBeLessThan(build);
});
