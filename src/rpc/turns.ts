import type { Http2Server, ServerHttp2Stream } from "node:http2";
import { bounds } from "../bounds.ts";

/** Starts work of connections in turns. */
export type Turns = {
  /**
   * Calls `begin` in the connection's turn. It returns false if there was nothing left to do, so that another
   * may begin in its place.
   */
  readonly enter: (connection: object, begin: () => boolean) => void;
  /** Entries that have not begun. */
  readonly waiting: () => number;
};

/**
 * Creates turns: up to `max` entries begin per turn of the event loop, one connection after the other, each
 * connection's in order.
 */
export function createTurns(max: number): Turns {
  const lines = new Map<object, (() => boolean)[]>();
  let waiting = 0;
  let isScheduled = false;
  const schedule = (): void => {
    if (isScheduled || waiting === 0) return;
    isScheduled = true;
    setImmediate(turn);
  };
  const next = (): (() => boolean) => {
    const [connection, line] = lines.entries().next().value!;
    const begin = line.shift()!;
    waiting -= 1;
    lines.delete(connection);
    if (line.length > 0) lines.set(connection, line);
    return begin;
  };
  const turn = (): void => {
    isScheduled = false;
    try {
      for (let left = max; left > 0 && lines.size > 0;) if (next()()) left -= 1;
    } finally {
      // Also if one has thrown.
      schedule();
    }
  };
  return {
    enter(connection, begin) {
      const line = lines.get(connection);
      if (line) line.push(begin);
      else lines.set(connection, [begin]);
      waiting += 1;
      schedule();
    },
    waiting: () => waiting,
  };
}

/** A property of the stream: a WeakMap would cost the garbage collector more than the calls. */
const ARRIVED_MS = Symbol("arrived");

/** When the headers of a call arrived, in milliseconds since the epoch. */
export function arrivalMsOf(stream: ServerHttp2Stream & { [ARRIVED_MS]?: number }): number {
  return stream[ARRIVED_MS] ?? Date.now();
}

type Listener = (stream: ServerHttp2Stream, ...rest: unknown[]) => void;

/**
 * Makes the calls of a server begin in turns. One packet can open hundreds, and all other calls would wait
 * until those have begun. A call that its caller cancels before its turn, as in the same packet, never
 * begins. Call it after the server has its listeners. Returns the number of waiting calls.
 */
export function takeTurns(server: Http2Server): Turns["waiting"] {
  const listeners = server.listeners("stream") as Listener[];
  const turns = createTurns(bounds.callsPerTurn.max);
  const onStream: Listener = (stream, ...rest) => {
    Object.assign(stream, { [ARRIVED_MS]: Date.now() });
    // The connection may end before its turn, when the listeners have not seen the stream.
    stream.on("error", ignore);
    turns.enter(stream.session ?? stream, () => {
      if (stream.closed || stream.destroyed) return false;
      for (const listener of listeners) listener.call(server, stream, ...rest);
      // For a request without a body the end was emitted before the listeners saw the stream.
      if (stream.readableEnded) stream.emit("end");
      return true;
    });
  };
  server.removeAllListeners("stream");
  server.on("stream", onStream);
  return turns.waiting;
}

function ignore(): void {}
