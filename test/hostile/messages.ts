import * as zlib from "node:zlib";
import type { Answer } from "./answers.ts";
import type { Field } from "./hpack.ts";
import { connectPeer } from "./peer.ts";
import type { Target } from "./target.ts";

/** The ways to send a request: the port, the content type, and whether messages stand behind prefixes. */
export const WAYS = {
  "gRPC port": { port: "grpc", type: "application/grpc", prefixed: true, coding: "grpc-encoding" },
  gRPC: { port: "http", type: "application/grpc", prefixed: true, coding: "grpc-encoding" },
  "gRPC-Web": { port: "http", type: "application/grpc-web+proto", prefixed: true, coding: "grpc-encoding" },
  "Connect stream": {
    port: "http",
    type: "application/connect+proto",
    prefixed: true,
    coding: "connect-content-encoding",
  },
  "Connect stream of JSON": {
    port: "http",
    type: "application/connect+json",
    prefixed: true,
    coding: "connect-content-encoding",
  },
  Connect: { port: "http", type: "application/proto", prefixed: false, coding: "content-encoding" },
  JSON: { port: "http", type: "application/json", prefixed: false, coding: "content-encoding" },
} as const satisfies Readonly<Record<string, WayFacts>>;

type WayFacts = {
  readonly port: "grpc" | "http";
  readonly type: string;
  readonly prefixed: boolean;
  readonly coding: string;
};

export type Way = keyof typeof WAYS;
export type Coding = "identity" | "gzip" | "deflate" | "br";

export const GET_USER = "/commerce.user.v1.UserService/GetUser";
export const BATCH_GET_USERS = "/commerce.user.v1.UserService/BatchGetUsers";
export const LIST_USERS = "/commerce.user.v1.UserService/ListUsers";
export const CREATE_USER = "/commerce.user.v1.UserService/CreateUser";
export const AUTHENTICATE_USER = "/commerce.user.v1.UserService/AuthenticateUser";
export const CREATE_ORDER = "/commerce.order.v1.OrderService/CreateOrder";
export const IMPORT_ORDERS = "/commerce.order.v1.OrderService/ImportOrders";
export const INGEST_ORDERS = "/commerce.order.v1.OrderService/IngestOrders";
export const WATCH = "/grpc.health.v1.Health/Watch";
export const REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

/** What a request says beside its message. */
export type Said = {
  readonly token?: string | undefined;
  readonly coding?: Coding;
  /** In which the caller wants its answer. */
  readonly timeoutMs?: number;
};

/** The headers of a request. */
export function toFields(way: Way, method: string, { token, coding, timeoutMs }: Said = {}): Field[] {
  const { type, coding: codingName } = WAYS[way];
  const fields: Field[] = [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", method],
    [":authority", "127.0.0.1"],
    ["content-type", type],
    ["te", "trailers"],
  ];
  if (coding && coding !== "identity") fields.push([codingName, coding]);
  if (token !== undefined) fields.push(["authorization", `Bearer ${token}`]);
  if (timeoutMs !== undefined)
    fields.push(
      type.startsWith("application/grpc")
        ? ["grpc-timeout", `${timeoutMs}m`]
        : ["connect-timeout-ms", String(timeoutMs)],
    );
  return fields;
}

/** A message as the body of a request, compressed if a coding is given. */
export function toBody(way: Way, message: Uint8Array, coding: Coding = "identity"): Buffer {
  const bytes = compress(message, coding);
  return WAYS[way].prefixed
    ? Buffer.concat([toPrefix(bytes.length, coding === "identity" ? 0 : 1), bytes])
    : bytes;
}

/** The five bytes before a message of gRPC or of a stream of Connect. */
export function toPrefix(length: number, flags = 0): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = flags;
  prefix.writeUInt32BE(length, 1);
  return prefix;
}

export function compress(bytes: Uint8Array, coding: Coding): Buffer {
  switch (coding) {
    case "identity":
      return Buffer.from(bytes);
    case "gzip":
      return zlib.gzipSync(bytes, { level: 9 });
    case "deflate":
      return zlib.deflateSync(bytes, { level: 9 });
    case "br":
      // The best level takes a minute for what the fifth does in an instant, as well.
      return zlib.brotliCompressSync(bytes, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 5 } });
    default:
      return coding satisfies never;
  }
}

/** Bytes that repeat until there are so many, or a few less. */
export function repeat(pattern: Uint8Array, bytes: number): Buffer {
  const times = Math.floor(bytes / pattern.length);
  return Buffer.alloc(times * pattern.length, pattern);
}

/** JSON with an array of as many equal elements as fit into so many bytes. */
export function repeatJson(name: string, element: string, bytes: number): Buffer {
  const times = Math.floor(bytes / (element.length + 1)) - 32;
  return Buffer.from(`{"${name}":[${`${element},`.repeat(times)}${element}]}`);
}

export function portOf(target: Target, way: Way): number {
  return target[WAYS[way].port];
}

/** Sends a whole request on a connection of its own, and waits for its answer as long as given. */
export async function callOnce(
  target: Target,
  way: Way,
  method: string,
  message: Uint8Array,
  { waitMs, ...said }: Said & { readonly waitMs: number },
): Promise<Answer> {
  return sendOnce(
    portOf(target, way),
    toFields(way, method, said),
    toBody(way, message, said.coding),
    waitMs,
  );
}

/** The same with bytes as they are. */
export async function sendOnce(
  port: number,
  fields: readonly Field[],
  body: Uint8Array,
  waitMs: number,
): Promise<Answer> {
  using peer = await connectPeer(port);
  const stream = peer.open(fields);
  void stream.send(body, { end: true });
  return await orUnanswered(stream.answer, waitMs);
}

/** What is answered within the time. */
export async function orUnanswered(answer: Promise<Answer>, ms: number): Promise<Answer> {
  const { promise, resolve } = Promise.withResolvers<Answer>();
  const timer = setTimeout(() => resolve("UNANSWERED"), ms);
  const first = await Promise.race([answer, promise]);
  clearTimeout(timer);
  return first;
}

/** Runs so many at once, with their numbers. */
export function inParallel<T>(count: number, run: (index: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => run(index)));
}
