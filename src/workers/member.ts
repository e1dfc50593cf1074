import { fork } from "node:child_process";
import type { Socket } from "node:net";
import path from "node:path";
import process from "node:process";
import { messageOf } from "../system-errors.ts";
import { type FromWorker, readFromWorker, type ToWorker } from "./messages.ts";

/** How a process has ended, in words. */
export type End = { readonly how: string; readonly code: number | null; readonly signal: string | null };

/** The process of a worker, as the leader sees it. */
export type Member = {
  readonly number: number;
  readonly pid: number | undefined;
  readonly send: (message: ToWorker, socket?: Socket) => void;
  readonly kill: () => void;
  /** Never rejects. */
  readonly ended: Promise<End>;
};

const entry = path.join(import.meta.dirname, "entry.ts");

/**
 * Starts a process that is to serve as the worker of a number, with the options of this one. One that sends
 * what is no message of ours is killed.
 */
export function forkMember(number: number, onMessage: (message: FromWorker) => void): Member {
  // The number shows in lists of processes.
  const child = fork(entry, [String(number)], {
    // Configurations have what JSON has not: undefined, Infinity.
    serialization: "advanced",
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    // Under `node --watch` it would send the files that it loads, for a watcher.
    env: { ...process.env, WATCH_REPORT_DEPENDENCIES: undefined },
  });
  const ended = Promise.withResolvers<End>();
  child.once("exit", (code, signal) => ended.resolve({ how: signal ?? `exit code ${code}`, code, signal }));
  child.on("error", (error) => {
    if (child.pid === undefined) ended.resolve({ how: messageOf(error), code: null, signal: null });
  });
  const kill = (): void => void child.kill("SIGKILL");
  child.on("message", (message) => {
    try {
      onMessage(readFromWorker(message));
    } catch {
      kill();
    }
  });
  return {
    number,
    pid: child.pid,
    kill,
    ended: ended.promise,
    send(message, socket) {
      // What cannot be sent was for a process that ends, which is noticed elsewhere.
      if (child.connected) child.send(message, socket, { keepOpen: true }, () => {});
    },
  };
}
