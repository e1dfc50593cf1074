import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import type { Readable } from "node:stream";
import { afterAll } from "vitest";
import { root } from "./embedded.ts";

/** How a program has ended, and all that it said. */
export type Ended = {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
};

/** A program that a test has started. Disposal kills it, and what it has started in its process group. */
export type Program = AsyncDisposable & {
  readonly pid: number;
  readonly ended: Promise<Ended>;
  /** All of standard output once the text is in it. Rejects, with all output, if the program ends before. */
  printed(text: string): Promise<string>;
  /** The same of standard error. */
  logged(text: string): Promise<string>;
  /** Sends a signal to the program alone, as a supervisor does. */
  signal(name: NodeJS.Signals): void;
  /** Sends a signal to the whole process group, as a terminal does. */
  signalGroup(name: NodeJS.Signals): void;
};

const running = new Set<Program>();
// A test that runs out of time is abandoned and disposes of nothing.
afterAll(async () => {
  for (const program of running) await program[Symbol.asyncDispose]();
});

/**
 * Starts a program in the root of the repository. Its environment is what is given here and nothing that
 * configures the tests; PATH begins with the programs of package.json.
 */
export function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Program {
  const { PATH, HOME, TMPDIR } = process.env;
  const programs = [path.join(root, "node_modules/.bin"), PATH].join(path.delimiter);
  const child = spawn(program, args, {
    cwd: root,
    // A group of its own: a signal to the group does not reach the tests.
    detached: true,
    env: { HOME, TMPDIR, ...env, PATH: programs },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const ended = once(child, "close").then(([code, signal]): Ended => ({ code, signal, stdout, stderr }));
  const until = (stream: Readable, read: () => string, text: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (!read().includes(text)) return;
        stream.off("data", look);
        resolve(read());
      };
      stream.on("data", look);
      ended.then((how) => reject(new Error(`it did not print "${text}": ${JSON.stringify(how)}`)), reject);
      look();
    });
  const signalGroup = (name: NodeJS.Signals): void => {
    process.kill(-child.pid!, name);
  };
  const own: Program = {
    pid: child.pid!,
    ended,
    printed: (text) => until(child.stdout, () => stdout, text),
    logged: (text) => until(child.stderr, () => stderr, text),
    signal: (name) => void child.kill(name),
    signalGroup,
    async [Symbol.asyncDispose]() {
      running.delete(own);
      if (child.pid === undefined) return;
      if (child.exitCode === null && child.signalCode === null) signalGroup("SIGKILL");
      await ended;
    },
  };
  running.add(own);
  return own;
}

/** Runs a program to its end. */
export async function runToEnd(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Ended> {
  await using started = run(program, args, env);
  return await started.ended;
}
