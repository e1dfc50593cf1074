import type { Socket } from "node:net";
import * as net from "node:net";
import { setImmediate, setTimeout as sleep } from "node:timers/promises";
import type { Address } from "../config.ts";
import { closeLater } from "./acceptor.ts";
import { type Connection, type ConnectionLimits, createConnections } from "./connections.ts";
import { listen } from "./listen.ts";
import type { Refused } from "./refusals.ts";
import { type Protocol, sniffProtocol } from "./sniff.ts";

/** A listener that hears what is spoken on a connection before it hands it on. */
export type Front = {
  readonly address: Address;
  /**
   * Stops to listen, and resolves when all connections have ended. Those that have said nothing yet may speak
   * up for so long.
   */
  readonly close: (speakUpMs: number) => Promise<void>;
  /** Resolves when no connection is about to be accepted. */
  readonly untilQuiet: () => Promise<void>;
  /** How many are open. */
  readonly connections: () => number;
  /** Ends all connections. */
  readonly destroy: () => void;
};

// A peer that is gone without a word is noticed by the kernel, some minutes after this.
const SOCKETS = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 };

/** Where a front listens, and for how many. */
type At = {
  readonly address: Address;
  readonly variable: string;
  readonly connections: ConnectionLimits;
  readonly refused: Refused;
};

/** Listens, or fails with one clear line. Bounds its connections as createConnections() says. */
export async function startFront(
  { address: at, variable, connections: limits, refused }: At,
  onConnection: (socket: Socket, protocol: Protocol, connection: Connection) => void,
): Promise<Front> {
  const connections = createConnections(limits, refused);
  const silent = new Set<Socket>();
  const accepted = { count: 0, ms: -Infinity };
  const server = net.createServer(SOCKETS, (socket) => {
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
  const address = await listen(server, at, variable);
  return {
    address,
    close: (speakUpMs) =>
      new Promise((resolve) => {
        connections[Symbol.dispose]();
        server.close(() => resolve());
        closeLater(speakUpMs, () => silent.forEach((socket) => socket.destroy()));
      }),
    untilQuiet: () => untilQuiet(accepted),
    connections: connections.count,
    destroy: connections.destroy,
  };
}

/** Callers that were sent away have connected again after this time, but for those of a slow network. */
const QUIET_MS = 50;
/** Callers that make a connection for each call leave no such time. */
const QUIET_WAIT_MS_MAX = 1_000;

/**
 * What waits in the kernel when a listener closes is reset, and callers that were sent away have all just
 * connected again, if there is no other server to connect to.
 */
async function untilQuiet(accepted: { readonly count: number; readonly ms: number }): Promise<void> {
  const endMs = performance.now() + QUIET_WAIT_MS_MAX;
  for (;;) {
    const { count } = accepted;
    // A turn of the event loop accepts one connection, if any is there.
    await setImmediate();
    await setImmediate();
    if (accepted.count > count && performance.now() < endMs + QUIET_WAIT_MS_MAX) continue;
    if (performance.now() > Math.min(endMs, accepted.ms + QUIET_MS)) return;
    await sleep(QUIET_MS / 5);
  }
}
