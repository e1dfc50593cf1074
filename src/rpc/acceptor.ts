import type { Socket } from "node:net";
import type { Connection } from "./connections.ts";

/** A server that is handed its sockets instead of listening, and closed when its calls have been answered. */
export type Acceptor = {
  readonly accept: (socket: Socket, connection: Connection) => void;
  /** Serves calls that have begun or arrive within LINGER_MS, then closes each connection. */
  readonly close: () => void;
};

/**
 * How long a connection that is idle when the listener closes may still bring a call, in milliseconds. A busy
 * caller may have sent its next call already, and closing a connection with unread bytes resets it.
 */
export const LINGER_MS = 250;

/** Closes idle connections after `ms`, in a turn of its own: what has arrived by then is read first. */
export function closeLater(ms: number, close: () => void): void {
  setTimeout(() => setImmediate(close), ms).unref();
}
