import type { Server } from "node:net";
import type { Address } from "../config.ts";

/** Accepts connections and serves calls. Disposing closes it at once. */
export type Listener = AsyncDisposable & {
  readonly address: Address;
  /** Open connections. */
  readonly connections: () => number;
  /** Calls that wait for their turn to begin. */
  readonly waiting: () => number;
  /**
   * Makes each answer of the next `forMs` milliseconds, before the drain, ask its caller to reconnect, which
   * may lead to another server. Only HTTP/1.1 can do so without ending the connection.
   */
  readonly sendAway?: (forMs: number) => void;
  /** Refuses new calls and waits for those in flight, at most `graceMs`. True if all have finished. */
  readonly drain: (graceMs: number) => Promise<boolean>;
};

/** Listens, and returns the address with the actual port. Throws an error of one line. */
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

/** An error of one line: the address, its environment variable, and the problem. */
function cannotListen(address: Address, variable: string, cause: unknown): Error {
  const code = /\bE[A-Z]{4,}\b/.exec(cause instanceof Error ? cause.message : "")?.[0] ?? "unknown error";
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: "the port is in use",
    EADDRNOTAVAIL: "this machine has no such address",
    EACCES: "the port needs privileges that the process does not have",
    ENOTFOUND: "there is no such host",
  };
  return new Error(`cannot listen on ${toHostPort(address)} (${variable}): ${reasons[code] ?? code}`, {
    cause,
  });
}

/** Runs `close`; after `graceMs` it runs `cutOff`. True if that was not needed. */
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

/** Formats an address as host:port, with brackets around IPv6. */
export function toHostPort({ host, port }: Address): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
