import type { Socket } from "node:net";
import { setImmediate, setTimeout as sleep } from "node:timers/promises";
import type { Address } from "../config.ts";
import { closeLater } from "./acceptor.ts";
import { type Connection, type ConnectionLimits, createConnections } from "./connections.ts";
import { type OpenPort, openPort, type PortName } from "./listen.ts";
import type { Refused } from "./refusals.ts";
import { type Protocol, sniffProtocol } from "./sniff.ts";

/** Takes the connections of a port, detects the protocol of each connection and hands the connection on. */
export type Front = {
  readonly address: Address;
  /** Closes the port. No connection comes after it has resolved. */
  readonly shut: () => Promise<void>;
  /**
   * Resolves when all connections have ended, once the port is shut. Those that have sent nothing yet get
   * `speakUpMs` to begin.
   */
  readonly close: (speakUpMs: number) => Promise<void>;
  /** Resolves when no connection is waiting to be accepted. */
  readonly untilQuiet: () => Promise<void>;
  /** Open connections. */
  readonly connections: () => number;
  /** Destroys all connections. */
  readonly destroy: () => void;
};

/** The port of a front and its limits. */
type At = {
  readonly address: Address;
  readonly name: PortName;
  /** Default: a port of this process. */
  readonly open?: OpenPort | undefined;
  readonly connections: ConnectionLimits;
  readonly refused: Refused;
};

/** Opens the port, or throws an error of one line. Bounds its connections like createConnections(). */
export async function startFront(
  { address, name, open = openPort, connections: limits, refused }: At,
  onConnection: (socket: Socket, protocol: Protocol, connection: Connection) => void,
): Promise<Front> {
  const connections = createConnections(limits, refused);
  const silent = new Set<Socket>();
  const accepted = { count: 0, ms: -Infinity };
  const port = await open(name, address, (socket) => {
    accepted.count += 1;
    accepted.ms = performance.now();
    const connection = connections.admit(socket);
    if (!connection) return;
    silent.add(socket);
    sniffProtocol(socket, (protocol) => {
      silent.delete(socket);
      if (protocol) onConnection(socket, protocol, connection);
    });
  });
  return {
    address: port.address,
    shut: port.close,
    async close(speakUpMs) {
      connections[Symbol.dispose]();
      closeLater(speakUpMs, () => silent.forEach((socket) => socket.destroy()));
      await connections.untilNone();
    },
    untilQuiet: () => untilQuiet(accepted),
    connections: connections.count,
    destroy: connections.destroy,
  };
}

/** Callers that were told to close have reconnected after this time, except on slow networks. */
const QUIET_MS = 50;
/** Callers that connect for each call never leave such a pause. */
const QUIET_WAIT_MS_MAX = 1_000;

/**
 * Connections in the kernel's queue are reset when the listener closes, and callers that were told to close
 * have all just reconnected if there is no other server.
 */
async function untilQuiet(accepted: { readonly count: number; readonly ms: number }): Promise<void> {
  const endMs = performance.now() + QUIET_WAIT_MS_MAX;
  for (;;) {
    const { count } = accepted;
    // Each turn of the event loop accepts at most one connection.
    await setImmediate();
    await setImmediate();
    if (accepted.count > count && performance.now() < endMs + QUIET_WAIT_MS_MAX) continue;
    if (performance.now() > Math.min(endMs, accepted.ms + QUIET_MS)) return;
    await sleep(QUIET_MS / 5);
  }
}
