import { once } from "node:events";
import * as net from "node:net";
import { type Answer, toAnswer } from "./answers.ts";
import type { Field } from "./hpack.ts";

/** Attackers call from an address of their own, where a machine has several of itself. */
export const ATTACKER = process.platform === "linux" ? { localAddress: "127.0.0.2" } : {};

/** A connection that says whatever it likes, and hears how it ends. Disposal destroys it. */
export type Line = Disposable & {
  /** Resolves when the socket takes more, or is closed. */
  write(bytes: Uint8Array | string): Promise<void>;
  isOpen(): boolean;
  /** All that the server has said, once it has closed the connection. */
  readonly closed: Promise<Buffer>;
};

/** Connects without a word. */
export async function connectLine(port: number): Promise<Line> {
  const socket = net.connect({ port, host: "127.0.0.1", noDelay: true, ...ATTACKER });
  const chunks: Buffer[] = [];
  const closed = Promise.withResolvers<Buffer>();
  socket.on("error", () => {});
  socket.on("data", (chunk) => chunks.push(chunk));
  socket.on("close", () => closed.resolve(Buffer.concat(chunks)));
  // A service that has ended refuses the connection, which then is one that was closed.
  await Promise.race([once(socket, "connect").catch(() => {}), closed.promise]);
  return {
    async write(bytes) {
      if (!socket.destroyed && !socket.write(bytes))
        await Promise.race([once(socket, "drain").catch(() => {}), closed.promise]);
    },
    isOpen: () => !socket.destroyed,
    closed: closed.promise,
    [Symbol.dispose]: () => void socket.destroy(),
  };
}

/** The head of a request of HTTP/1.1 after which the connection is closed. */
export function toHead(verb: string, path: string, fields: readonly Field[]): string {
  const lines = [`${verb} ${path} HTTP/1.1`, "host: 127.0.0.1", "connection: close"];
  return [...lines, ...fields.map(([name, value]) => `${name}: ${value}`), "", ""].join("\r\n");
}

/** Bytes as chunks of so many bytes each, without the last one. */
export function toChunks(bytes: Uint8Array, chunkBytes: number): Buffer {
  const parts: Uint8Array[] = [];
  const end = Buffer.from("\r\n");
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    const part = bytes.subarray(at, at + chunkBytes);
    parts.push(Buffer.from(`${part.length.toString(16)}\r\n`), part, end);
  }
  return Buffer.concat(parts);
}

/** Sends a request whose connection closes behind it, and reads what it is answered. */
export async function request1(port: number, head: string, body: Uint8Array = Buffer.of()): Promise<Answer> {
  using line = await connectLine(port);
  await line.write(head);
  await line.write(body);
  return readAnswer(await line.closed);
}

/** Reads the last answer of a connection. */
export function readAnswer(bytes: Buffer): Answer {
  const at = bytes.indexOf("\r\n\r\n");
  if (at < 0) return "CLOSED";
  const [status = "", ...lines] = bytes.toString("latin1", 0, at).split("\r\n");
  const fields = lines.map((each): Field => {
    const colon = each.indexOf(":");
    return [each.slice(0, colon).toLowerCase(), each.slice(colon + 1).trim()];
  });
  const isChunked = fields.some(([name, value]) => name === "transfer-encoding" && value === "chunked");
  const rest = bytes.subarray(at + 4);
  return toAnswer({
    fields: [[":status", status.split(" ")[1] ?? ""], ...fields],
    body: isChunked ? joinChunks(rest) : rest,
  });
}

function joinChunks(bytes: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const lineEnd = bytes.indexOf("\r\n", at);
    const length = Number.parseInt(bytes.toString("latin1", at, lineEnd), 16);
    if (!(length > 0)) break;
    parts.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + length));
    at = lineEnd + 4 + length;
  }
  return Buffer.concat(parts);
}
