import type { Server } from "node:net";
import type { Address } from "../config.ts";

/** A listener that serves calls. Disposing ends it at once. */
export type Listener = AsyncDisposable & {
  readonly address: Address;
  /** How many connections are open. */
  readonly connections: () => number;
  /** How many calls wait for their turn to begin. */
  readonly waiting: () => number;
  /**
   * Asks callers, with each answer of the time before the drain, to come back on another connection, which
   * may lead to another server. Only HTTP/1.1 can say so without ending the connection.
   */
  readonly sendAway?: (forMs: number) => void;
  /** Refuses new calls and waits for those in flight, at most `graceMs`. True if all have finished. */
  readonly drain: (graceMs: number) => Promise<boolean>;
};

/** Listens and answers the address with the port that was taken. Fails with one clear line. */
export async function listen(server: Server, address: Address, variable: string): Promise<Address> {
  const listening = Promise.withResolvers<void>();
  server.once("error", listening.reject).listen(address.port, address.host, listening.resolve);
  try {
    await listening.promise;
  } catch (error) {
    throw cannotListen(address, variable, error);
  }
  server.off("error", listening.reject);
  const bound = server.address();
  return { host: address.host, port: typeof bound === "object" && bound ? bound.port : address.port };
}

/** One line that names the address, the environment variable that holds it, and what is wrong. */
function cannotListen(address: Address, variable: string, cause: unknown): Error {
  const code = /\bE[A-Z]{4,}\b/.exec(cause instanceof Error ? cause.message : "")?.[0] ?? "unknown error";
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: "the port is in use",
    EADDRNOTAVAIL: "this machine has no such address",
    EACCES: "the port needs privileges that the process has not",
    ENOTFOUND: "there is no such host",
  };
  return new Error(`cannot listen on ${toHostPort(address)} (${variable}): ${reasons[code] ?? code}`, {
    cause,
  });
}

/** Closes a listener; after `graceMs` it cuts off what has not ended. True if all has ended by itself. */
export async function closeWithin(
  graceMs: number,
  close: () => Promise<void>,
  cutOff: () => void,
): Promise<boolean> {
  let finished = true;
  const timer = setTimeout(() => {
    finished = false;
    cutOff();
  }, graceMs);
  await close();
  clearTimeout(timer);
  return finished;
}

/** host:port, as in a URL. */
export function toHostPort({ host, port }: Address): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
