import type { Socket } from "node:net";

/**
 * A server without a listener of its own: it is handed sockets, and closed when its calls have been
 * answered.
 */
export type Acceptor = {
  readonly accept: (socket: Socket) => void;
  /** Serves what has begun and what arrives within LINGER_MS, and closes each connection after it. */
  readonly close: () => void;
};

// Browsers and balancers keep a connection for the next call; five minutes without one, and it is only a
// socket.
export const IDLE_MS_MAX = 300_000;

/**
 * Calls that one connection of HTTP/2 may have open on either port; more wait at the client. Bounds what one
 * peer can make us hold.
 */
export const CONCURRENT_STREAMS_MAX = 256;

/**
 * How long a connection that is idle when the door closes may still bring a call. A busy caller has sent its
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
