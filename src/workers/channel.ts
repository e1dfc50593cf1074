import { Socket } from "node:net";
import process from "node:process";
import { type FromWorker, readToWorker, type ToWorker } from "./messages.ts";

/** A worker's connection to the process that leads it. */
export type Channel = {
  /** Sends a message; resolves when it is on its way, or when there is no process to send it to. */
  readonly send: (message: FromWorker) => Promise<void>;
  /** Aborts when the leader has gone. */
  readonly gone: AbortSignal;
};

/** Begins to hear what this process is sent. */
export function openChannel(onMessage: (message: ToWorker, socket: Socket | undefined) => void): Channel {
  const gone = new AbortController();
  process.on("message", (message, handle) =>
    onMessage(readToWorker(message), handle instanceof Socket ? handle : undefined),
  );
  process.once("disconnect", () => gone.abort());
  if (!process.connected) gone.abort();
  return {
    gone: gone.signal,
    send: (message) =>
      new Promise((resolve) => {
        if (process.connected) process.send?.(message, undefined, undefined, () => resolve());
        else resolve();
      }),
  };
}
