import type { Http2Server, ServerHttp2Stream } from "node:http2";
import { bounds } from "../bounds.ts";

/** Lets what arrives on connections begin in turns. */
export type Turns = {
  /**
   * Calls `begin` when the connection's turn has come. It answers false where there was nothing left to do,
   * and another may begin in its place.
   */
  readonly enter: (connection: object, begin: () => boolean) => void;
};

/** In each turn of the event loop `max` begin, of one connection after the other, each in their order. */
export function createTurns(max: number): Turns {
  const lines = new Map<object, (() => boolean)[]>();
  const turn = (): void => {
    for (let left = max; left > 0 && lines.size > 0;) {
      const [connection, line] = lines.entries().next().value!;
      lines.delete(connection);
      if (line.shift()!()) left -= 1;
      if (line.length > 0) lines.set(connection, line);
    }
    if (lines.size > 0) setImmediate(turn);
  };
  return {
    enter(connection, begin) {
      if (lines.size === 0) setImmediate(turn);
      const line = lines.get(connection);
      if (line) line.push(begin);
      else lines.set(connection, [begin]);
    },
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
 * begins. To be called when the server has its listeners.
 */
export function takeTurns(server: Http2Server): void {
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
}

function ignore(): void {}
