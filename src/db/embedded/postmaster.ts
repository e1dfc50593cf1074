import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFile, rm } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import path from "node:path";
import { kill } from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { commandLineOf } from "./directory-lock.ts";
import type { Launcher } from "./launcher.ts";
import { messageOf } from "../../system-errors.ts";

/** A server that accepts connections on 127.0.0.1. Disposal shuts it down, ending what still runs on it. */
export type Server = {
  readonly pid: number;
  readonly port: number;
  /** Resolves when the server has ended: with the reason, or with undefined after disposal. Never rejects. */
  readonly exited: Promise<Error | undefined>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** Crash recovery replays up to max_wal_size (1 GB), which takes a slow disk a minute. */
const readyMsMax = 120_000;
/**
 * A fast shutdown writes all dirty buffers (128 MB) first. After it, what is left is an immediate shutdown.
 */
const stopMsMax = 30_000;
/** The backends of a killed server leave within milliseconds, unless they are inside a long computation. */
const leftoverMsMax = 30_000;
/** Between making its lock file and writing to it postgres does nothing else. */
const unwrittenMsMax = 500;
/** Enough for the reason of a failure and what led to it. */
const logCharsMax = 8_192;

/**
 * Starts the server of a data directory, after a killed predecessor there has gone, with `settings`
 * ("name=value").
 */
export async function startServer(
  launcher: Launcher,
  postgres: string,
  data: string,
  settings: readonly string[],
): Promise<Server> {
  await endLeftover(data);
  const fixed = [
    "listen_addresses=127.0.0.1",
    // No socket file: its path has room for 107 bytes, which a deep directory exceeds.
    "unix_socket_directories=",
    // Errors of statements go to the client, which handles them; a busy day of conflicts fills no
    // log.
    "log_min_messages=log",
  ];
  const end = Date.now() + leftoverMsMax;
  for (;;) {
    const port = await findFreePort();
    const flags = [...fixed, `port=${port}`, ...settings].flatMap((setting) => ["-c", setting]);
    const child = launcher.launch(postgres, ["-D", data, ...flags]);
    const log = collectLog(child);
    const reason = await untilReady(child, log);
    if (reason === undefined) return ownServer(child, port, log);
    // Another program took the port first, or backends of a killed postmaster still hold its shared memory.
    const passing = /Address already in use|pre-existing shared memory/.test(log.text);
    if (!passing || Date.now() > end) throw new Error(`postgres did not start on ${data}: ${reason}`);
    await sleep(50);
  }
}

/** What a program wrote to its standard error: the end of it. */
export type Log = { text: string };

/** Reads a program's standard error from now on, so that it never waits for a reader. */
export function collectLog(child: ChildProcess): Log {
  const log: Log = { text: "" };
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    log.text = (log.text + text).slice(-logCharsMax);
  });
  return log;
}

/** Resolves when a program has ended, or could not be started: how, and what it said last, in one line. */
export async function untilEnded(child: ChildProcess, log: Log): Promise<string> {
  const closed = once(child, "close").catch(() => {});
  try {
    const [code, signal] = await once(child, "exit");
    // Its last words may still be in the pipe. The pipe alone tells no end: children that outlive a killed
    // server hold it open.
    await Promise.race([closed, sleep(200, undefined, { ref: false })]);
    const said = summarizeLog(log.text);
    return `${signal ?? `exit code ${code}`}${said && `: ${said}`}`;
  } catch (error) {
    return messageOf(error);
  }
}

/**
 * What the last lines of a program's log say, as one line: errors with their details, else whatever comes
 * last.
 */
function summarizeLog(log: string): string {
  const lines = log.split("\n").filter((line) => line.trim() !== "");
  const telling = lines.filter((line) => /\b(ERROR|FATAL|PANIC|DETAIL|HINT|error|detail|hint):/.test(line));
  const said = (telling.length > 0 ? telling : lines).slice(-4);
  return said.map((line) => line.replace(/^.*?\b(ERROR|FATAL|PANIC|DETAIL|HINT):\s*/, "").trim()).join("; ");
}

/** Undefined once the server accepts connections; the reason, in one line, if it ends before. */
async function untilReady(child: ChildProcess, log: Log): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const look = () => {
    if (log.text.includes("ready to accept connections")) resolve(undefined);
  };
  child.stderr?.on("data", look);
  let late = "";
  const timer = setTimeout(() => {
    late = `not ready after ${readyMsMax / 1000} s, `;
    child.kill("SIGQUIT");
  }, readyMsMax);
  void untilEnded(child, log).then((reason) => resolve(late + reason));
  return promise.finally(() => {
    clearTimeout(timer);
    child.stderr?.off("data", look);
  });
}

function ownServer(child: ChildProcess, port: number, log: Log): Server {
  let disposed = false;
  log.text = "";
  const ended = untilEnded(child, log);
  return {
    pid: child.pid as number,
    port,
    exited: ended.then((reason) =>
      disposed ? undefined : new Error(`postgres (pid ${child.pid}) ended: ${reason}`),
    ),
    [Symbol.asyncDispose]: async () => {
      disposed = true;
      child.kill("SIGINT");
      const timer = setTimeout(() => child.kill("SIGQUIT"), stopMsMax);
      await ended;
      clearTimeout(timer);
    },
  };
}

/** The lines of postgres' lock file: its pid first, its port fourth, its state eighth. */
async function readLock(data: string): Promise<string[] | undefined> {
  const text = await readFile(lockFileOf(data), "utf8").catch(() => undefined);
  return text?.split("\n").map((line) => line.trim());
}

function lockFileOf(data: string): string {
  return path.join(data, "postmaster.pid");
}

/** The port of the server that runs on a data directory; undefined while it takes no connections. */
export async function readPort(data: string): Promise<number | undefined> {
  const lock = await readLock(data);
  return lock?.[7] === "ready" ? Number(lock[3]) : undefined;
}

/**
 * Waits for the server of a killed process to go. On Linux it is on its way already (see createLauncher),
 * elsewhere this stops it. A lock file whose pid now belongs to something else is removed, since postgres
 * would take that process for a server; its check of the shared memory still stands between two servers and
 * one directory. So is one without a pid, which a loss of power leaves and postgres takes for a server's that
 * is just starting: one that writes it would have done so by now.
 */
async function endLeftover(data: string): Promise<void> {
  const file = lockFileOf(data);
  const start = Date.now();
  for (; ; await sleep(10)) {
    const lock = await readLock(data);
    if (lock === undefined) return;
    const pid = Number(lock[0]);
    if (!(Number.isSafeInteger(pid) && pid > 0)) {
      if (Date.now() > start + unwrittenMsMax) return rm(file, { force: true });
      continue;
    }
    const command = await commandLineOf(pid);
    if (!command.includes("postgres")) return rm(file, { force: true });
    // Another server was started on this directory by other means: postgres itself says so.
    if (!command.includes(data)) return;
    if (Date.now() > start + leftoverMsMax) {
      throw new Error(
        `postgres (pid ${pid}) of a killed process still runs on ${data}: end it (kill -INT ${pid})`,
      );
    }
    kill(pid, "SIGINT");
  }
}

async function findFreePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, "close");
  return port;
}
