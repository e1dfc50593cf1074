import type { Http2Session, Http2Stream } from "node:http2";
import { types } from "node:util";

/**
 * Gives a session other collections for its streams than the Map and the Set that Node.js keeps. V8 links
 * each table that these have outgrown to the next one, and one that has become old keeps all later tables
 * with the streams that were open then: a quarter of what calls allocate would survive until a full
 * collection, which makes the small ones ten times as long. Call it before the session has streams. Returns
 * false, and changes nothing, where this version of Node.js keeps them elsewhere: it has no public access to
 * them.
 */
export function replaceStreams(session: Http2Session): boolean {
  const key = Object.getOwnPropertySymbols(session).find(({ description }) => description === "state");
  const state: unknown = key && Reflect.get(session, key);
  if (typeof state !== "object" || state === null) return false;
  const { streams, pendingStreams } = state as { streams?: unknown; pendingStreams?: unknown };
  if (!types.isMap(streams) || !types.isSet(pendingStreams)) return false;
  if (streams.size + pendingStreams.size > 0) return false;
  Object.assign(state, { streams: new OpenStreams(), pendingStreams: new PendingStreams() });
  return true;
}

/** As much of a Map as Node.js uses. */
class OpenStreams {
  readonly #byId: Record<number, Http2Stream> = {};
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: number): Http2Stream | undefined {
    return this.#byId[id];
  }

  set(id: number, stream: Http2Stream): void {
    if (this.#byId[id] === undefined) this.#size += 1;
    this.#byId[id] = stream;
  }

  delete(id: number): void {
    if (this.#byId[id] === undefined) return;
    delete this.#byId[id];
    this.#size -= 1;
  }

  forEach(visit: (stream: Http2Stream) => void): void {
    Object.values(this.#byId).forEach(visit);
  }
}

/** As much of a Set as Node.js uses. A server's stream is pending only while it is made. */
class PendingStreams {
  readonly #streams: Http2Stream[] = [];

  get size(): number {
    return this.#streams.length;
  }

  add(stream: Http2Stream): void {
    this.#streams.push(stream);
  }

  delete(stream: Http2Stream): void {
    const index = this.#streams.indexOf(stream);
    if (index >= 0) this.#streams.splice(index, 1);
  }

  forEach(visit: (stream: Http2Stream) => void): void {
    this.#streams.slice().forEach(visit);
  }
}
