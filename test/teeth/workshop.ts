import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startEmbedded } from "../../src/db/embedded/embedded.ts";
import { settings } from "../support/setup-embedded.ts";
import type { Mutation } from "./mutation.ts";

const root = path.join(import.meta.dirname, "../..");

/** What the project consists of. */
const parts = ["src", "test", "scripts", "bench", "client", "migrations", "proto", "third_party", "docs"];
const files = [
  "package.json",
  "package-lock.json",
  "buf.yaml",
  "tsconfig.json",
  "vitest.config.ts",
  "schema.sql",
  "README.md",
];

/** How a run of tests has ended, and what it has printed. */
export type Run = { readonly passed: boolean; readonly output: string };

/** A copy of the project. */
export type Bench = {
  /** Runs test files, up to the first failure. */
  readonly run: (tests: readonly string[]) => Promise<Run>;
  /** Runs the tests of a mutation with it. */
  readonly runWith: (mutation: Mutation) => Promise<Run>;
};

/** A temporary directory with copies of the project, and a database server for their tests. */
export type Workshop = AsyncDisposable & { readonly benches: readonly Bench[] };

/** Opens a workshop of so many benches; the signal ends what runs there. */
export async function openWorkshop(count: number, signal: AbortSignal): Promise<Workshop> {
  await using opening = new AsyncDisposableStack();
  const directory = opening.adopt(await mkdtemp(path.join(tmpdir(), "teeth-")), (made) =>
    rm(made, { recursive: true, force: true, maxRetries: 5 }),
  );
  signal.throwIfAborted();
  const { connection } = opening.use(await startEmbedded(path.join(directory, "data"), { settings }));
  const { user, password = "", host, port, database } = connection;
  const url = `postgres://${user}:${encodeURIComponent(password)}@${host}:${port}/${database}`;
  const benches: Bench[] = [];
  for (let n = 0; n < count; n++) {
    const copy = path.join(directory, `${n}`);
    await copyProject(copy);
    benches.push(createBench(copy, { ...process.env, NO_COLOR: "1", TEST_DATABASE_URL: url }, signal));
  }
  const open = opening.move();
  return { benches, [Symbol.asyncDispose]: () => open.disposeAsync() };
}

async function copyProject(copy: string): Promise<void> {
  await mkdir(path.join(copy, "tmp"), { recursive: true });
  for (const name of [...parts, ...files])
    await cp(path.join(root, name), path.join(copy, name), { recursive: true });
  await symlink(await realpath(path.join(root, "node_modules")), path.join(copy, "node_modules"));
}

function createBench(copy: string, env: NodeJS.ProcessEnv, signal: AbortSignal): Bench {
  const run = (tests: readonly string[]): Promise<Run> =>
    runVitest(copy, tests, { ...env, TMPDIR: path.join(copy, "tmp") }, signal);
  return {
    run,
    async runWith({ file, from, to, tests }) {
      const at = path.join(copy, file);
      const text = await readFile(at, "utf8");
      await writeFile(
        at,
        text.replace(from, () => to),
      );
      try {
        return await run(tests);
      } finally {
        await writeFile(at, text);
      }
    },
  };
}

/**
 * Far longer than any tests take, those of all mutations before the first one included: a mutation that makes
 * its tests hang for ever was seen by them.
 */
const runMsMax = 240_000;
const fileMsMax = 20_000;

/** How long a process that is asked to end may take to it. */
const endMsMax = 5_000;

async function runVitest(
  cwd: string,
  tests: readonly string[],
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<Run> {
  signal.throwIfAborted();
  const program = path.join(cwd, "node_modules/vitest/vitest.mjs");
  const args = [program, "run", "--config", "test/teeth/vitest.config.ts", "--bail", "1", ...tests];
  // A group of its own, so that what the tests have started ends with it, and an interrupt reaches us alone.
  const child = spawn(process.execPath, args, {
    cwd,
    env,
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  const output: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (bytes: Buffer) => output.push(bytes));
  const ended = once(child, "close") as Promise<[code: number | null]>;
  const end = async (): Promise<void> => {
    endGroup(child.pid!, "SIGTERM");
    await Promise.race([ended, sleep(endMsMax, undefined, { ref: false })]);
    endGroup(child.pid!, "SIGKILL");
  };
  const onAbort = (): void => void end();
  signal.addEventListener("abort", onAbort, { once: true });
  const timer = setTimeout(onAbort, runMsMax + tests.length * fileMsMax);
  const [code] = await ended;
  clearTimeout(timer);
  signal.removeEventListener("abort", onAbort);
  endGroup(child.pid!, "SIGKILL");
  signal.throwIfAborted();
  return { passed: code === 0, output: Buffer.concat(output).toString() };
}

/** Signals a group of processes, if any of it is left. */
function endGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
