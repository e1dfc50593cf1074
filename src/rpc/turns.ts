import type { Http2Server, ServerHttp2Stream } from "node:http2";
import { bounds } from "../bounds.ts";

/** Lets what arrives on connections begin in turns. */
export type Turns = {
  /**
   * Calls `begin` when the connection's turn has come. It answers false where there was nothing left to do,
   * and another may begin in its place.
   */
  readonly enter: (connection: object, begin: () => boolean) => void;
  /** How many have entered and not begun. */
  readonly waiting: () => number;
};

/** In each turn of the event loop `max` begin, of one connection after the other, each in their order. */
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
      // Also where one has thrown.
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

/** A property of the streams: a weak map of them would cost the garbage collector more than the calls. */
const ARRIVED_MS = Symbol("arrived");

/** When the headers of a call arrived, in milliseconds since the epoch. */
export function arrivalMsOf(stream: ServerHttp2Stream & { [ARRIVED_MS]?: number }): number {
  return stream[ARRIVED_MS] ?? Date.now();
}

type Listener = (stream: ServerHttp2Stream, ...rest: unknown[]) => void;

/**
 * Lets the calls of a server begin in turns. One packet can open hundreds of them, and all others would wait
 * until those are under way. A call that its caller gives up before its turn, as in the same packet, never
 * begins. To be called when the server has its listeners. Returns how many calls wait.
 */
export function takeTurns(server: Http2Server): Turns["waiting"] {
  const listeners = server.listeners("stream") as Listener[];
  const turns = createTurns(bounds.callsPerTurn.max);
  const onStream: Listener = (stream, ...rest) => {
    Object.assign(stream, { [ARRIVED_MS]: Date.now() });
    // Its connection may end before its turn, and the listeners are not there to hear of it.
    stream.on("error", ignore);
    turns.enter(stream.session ?? stream, () => {
      if (stream.closed || stream.destroyed) return false;
      for (const listener of listeners) listener.call(server, stream, ...rest);
      // Of a request without a byte the end has been told already, and was not heard.
      if (stream.readableEnded) stream.emit("end");
      return true;
    });
  };
  server.removeAllListeners("stream");
  server.on("stream", onStream);
  return turns.waiting;
}

function ignore(): void {}
