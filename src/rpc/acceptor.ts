import type { Socket } from "node:net";
import type { Connection } from "./connections.ts";

/**
 * A server without a listener of its own: it is handed sockets, and closed when its calls have been
 * answered.
 */
export type Acceptor = {
  readonly accept: (socket: Socket, connection: Connection) => void;
  /** Serves what has begun and what arrives within LINGER_MS, and closes each connection after it. */
  readonly close: () => void;
};

/**
 * How long a connection that is idle when the listener closes may still bring a call. A busy caller has sent its
 * next one by then, and would lose it: to close a connection with bytes in it that have not been read is to
 * reset it.
 */
export const LINGER_MS = 250;

/**
 * Runs, after a time, what closes idle connections. After a pause of a busy process, what has arrived
 * meanwhile is read first.
 */
export function closeLater(ms: number, close: () => void): void {
  setTimeout(() => setImmediate(close), ms).unref();
}
