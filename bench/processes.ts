import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import type { Connection } from "./service/database.ts";

const root = path.join(import.meta.dirname, "..");

/** A server that takes calls. Disposal stops it. */
export type Running = AsyncDisposable & {
  readonly pid: number;
  /** From its start to its line that says that it is ready, in milliseconds. */
  readonly readyMs: number;
  /** Of its gRPC port, and of the port for Connect where it has one. */
  readonly grpc: string;
  readonly http: string;
};

const anywhere = { GRPC_ADDR: "127.0.0.1:0", HTTP_ADDR: "127.0.0.1:0", ADMIN_ADDR: "127.0.0.1:0" };

/** A start takes a second; a machine that is busy, or a directory that must be made first, takes longer. */
const readyMsMax = 60_000;

/** Starts a script that serves as the service does, as a process of its own, in an environment of its own. */
export function startServer(args: readonly string[], env: NodeJS.ProcessEnv): Promise<Running> {
  return start(process.execPath, args, env, root);
}

async function start(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  checkout: string,
): Promise<Running> {
  const startMs = performance.now();
  const { HOME, PATH } = process.env;
  const programs = [path.dirname(process.execPath), PATH].join(path.delimiter);
  const child = spawn(program, args, {
    cwd: checkout,
    env: { HOME, PATH: programs, ...anywhere, WELCOME: "true", LOG_LEVEL: "silent", ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const said = await untilSaid(child, /gRPC +([\d.:]+)\n(?:.*https?:\/\/([\d.:]+))?/);
  const readyMs = performance.now() - startMs;
  return {
    pid: child.pid!,
    readyMs,
    grpc: said[1]!,
    http: said[2] ?? "",
    [Symbol.asyncDispose]: () => stop(child),
  };
}

/** Starts the service of a checkout as `npm start` does, with more options of Node.js if given. */
export async function startService(
  env: NodeJS.ProcessEnv,
  nodeOptions: readonly string[] = [],
  checkout = root,
): Promise<Running> {
  const { scripts } = JSON.parse(await readFile(path.join(checkout, "package.json"), "utf8")) as {
    readonly scripts: { readonly start: string };
  };
  return start("sh", ["-c", scripts.start], { NODE_OPTIONS: nodeOptions.join(" "), ...env }, checkout);
}

/** Starts a script of the bench that takes messages and answers them. */
export function startHelper(script: string): AsyncDisposable & {
  readonly child: ChildProcess;
  readonly ask: <A>(message: object) => Promise<A>;
} {
  const child = fork(path.join(root, "bench", script), { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  return {
    child,
    async ask<A>(message: object) {
      child.send(message);
      const [answer] = (await once(child, "message")) as [A];
      return answer;
    },
    [Symbol.asyncDispose]: () => stop(child),
  };
}

/** A connection without TLS as a value of DATABASE_URL. */
export function toUrl({ host, port, user, password = "", database }: Connection): string {
  return `postgres://${user}:${encodeURIComponent(password)}@${host}:${port}/${database}`;
}

async function untilSaid(child: ChildProcess, pattern: RegExp): Promise<RegExpExecArray> {
  let text = "";
  const { promise, resolve, reject } = Promise.withResolvers<RegExpExecArray>();
  child.stdout!.setEncoding("utf8").on("data", (part: string) => {
    text += part;
    const found = pattern.exec(text);
    if (found) resolve(found);
  });
  child.once("exit", (code) => reject(new Error(`it ended with ${code} and said: ${text}`)));
  const late = sleep(readyMsMax, undefined, { ref: false }).then(() => {
    throw new Error(`it is not ready after ${readyMsMax / 1000} s`);
  });
  return Promise.race([promise, late]);
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  await once(child, "exit");
}
