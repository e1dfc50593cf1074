import { createServer, type Server, type ServerOpts, type Socket } from "node:net";
import type { Address } from "../config.ts";
import type { Telemetry } from "../telemetry/telemetry.ts";

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

/** The variables that say where a port is; they name it. */
export type PortName = "GRPC_ADDR" | "HTTP_ADDR" | "ADMIN_ADDR";

/** A port that hands its connections on. */
export type Port = {
  readonly address: Address;
  /** Stops listening. No connection comes after it has resolved. */
  readonly close: () => Promise<void>;
};

/** Opens a port, or throws an error of one line. */
export type OpenPort = (
  name: PortName,
  address: Address,
  onConnection: (socket: Socket) => void,
) => Promise<Port>;

/** Options of all sockets. The kernel notices a vanished peer some minutes after this. */
export const SOCKETS: ServerOpts = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 };

/** Opens a port of this process. */
export const openPort: OpenPort = async (name, address, onConnection) => {
  const server = createServer(SOCKETS, onConnection);
  return {
    address: await listen(server, address, name),
    close: async () => void server.close(),
  };
};

/** Listens, and returns the address with the actual port. Throws an error of one line. */
export async function listen(server: Server, address: Address, variable: PortName): Promise<Address> {
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
function cannotListen(address: Address, variable: PortName, cause: unknown): Error {
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

/** Counts the connections of ports. */
export function observeConnections(
  telemetry: Telemetry,
  listeners: Readonly<Record<string, { readonly connections: () => number }>>,
): void {
  telemetry.gauge(
    { name: "rpc_server_connections", help: "Connections that are open, by port.", labels: ["listener"] },
    () => Object.entries(listeners).map(([listener, { connections }]) => [{ listener }, connections()]),
  );
}
