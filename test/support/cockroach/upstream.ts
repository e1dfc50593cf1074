import net from "node:net";
import type { Connection } from "../../../src/config.ts";
import { createSplitter, message, readStatus, type Message, type Status } from "../wire.ts";
import { errorOf, readFields, toOwn, toOwnColumns, type Fields } from "./answers.ts";
import type { Retyped } from "./types.ts";

/** An answer of PostgreSQL's, as CockroachDB would give it, as far as it is held back. */
export type Answer = { readonly pieces: Buffer[]; error: Fields | undefined; isFlushed: boolean };

/** A connection to PostgreSQL. */
export type Upstream = {
  /** What the server said last; undefined until it has let the client in. */
  readonly status: Status | undefined;
  /** The process that serves it. */
  readonly processId: number;
  /** Sends what the client and the server say to each other until the client is let in. */
  write(bytes: Buffer): void;
  /** Sends an exchange and resolves when the server is ready again, or gone. */
  answer(bytes: Buffer, retyped?: readonly (Retyped | undefined)[]): Promise<Answer>;
  /** Asks the server to stop what it does. */
  cancel(): Promise<void>;
  /** Says goodbye, once the server has answered. */
  end(): void;
};

export type UpstreamObserver = {
  /** Told of each message until the client is let in, the last of which is the first ReadyForQuery. */
  admits(message: Message): void;
  /** Takes what has been held back of an answer for too long. */
  overflows(pieces: Buffer): void;
  ends(): void;
};

/** What the client has not been told of yet can be taken back by the server, up to this many bytes. */
const resultsBufferBytesMax = 512 * 1024;

/** Opens a connection with the first message of a client. */
export function openUpstream(
  { host, port }: Connection,
  greeting: Buffer,
  observer: UpstreamObserver,
): Upstream {
  let status: Status | undefined;
  let key = Buffer.alloc(8);
  let ready = Promise.withResolvers<void>();
  let listen = (each: Message): void => {
    if (each.type === "K") key = Buffer.from(each.bytes.subarray(5));
    if (each.type === "Z") status = readStatus(each);
    observer.admits(each);
  };
  const server = net.connect({ host, port, noDelay: true });
  const split = createSplitter("server");
  server.write(greeting);
  server.on("data", (chunk: Buffer) => {
    for (const each of split(chunk)) listen(each);
  });
  server.on("error", () => {});
  server.on("close", () => {
    ready.resolve();
    observer.ends();
  });
  ready.resolve();
  return {
    get status() {
      return status;
    },
    get processId() {
      return key.readInt32BE(0);
    },
    write: (bytes) => void server.write(bytes),
    async answer(bytes, retyped = []) {
      const held: Answer = { pieces: [], error: undefined, isFlushed: false };
      let size = 0;
      ready = Promise.withResolvers();
      listen = (each) => {
        if (each.type === "E") held.error = readFields(each);
        const own = toOwnMessage(each, retyped);
        held.pieces.push(own);
        size += own.length;
        if (size > resultsBufferBytesMax) {
          held.isFlushed = true;
          size = 0;
          observer.overflows(Buffer.concat(held.pieces.splice(0)));
        }
        if (each.type !== "Z") return;
        status = readStatus(each);
        ready.resolve();
      };
      if (server.writable) server.write(bytes);
      else ready.resolve();
      await ready.promise;
      return held;
    },
    async cancel() {
      const socket = net.connect({ host, port });
      const request = Buffer.alloc(16);
      request.writeInt32BE(16, 0);
      request.writeInt32BE(80877102, 4);
      key.copy(request, 8);
      socket.on("error", () => {}).resume();
      socket.end(request);
      await new Promise((resolve) => socket.once("close", resolve));
    },
    end: () => void ready.promise.then(() => server.end(message("X"))),
  };
}

function toOwnMessage(each: Message, retyped: readonly (Retyped | undefined)[]): Buffer {
  if (each.type === "E") return errorOf(toOwn(readFields(each)));
  if (each.type === "T" && retyped.length > 0) return toOwnColumns(each, retyped);
  return each.bytes;
}
