import { once } from "node:events";
import net, { type AddressInfo, type Socket } from "node:net";
import { setImmediate as nextTurn, setTimeout as delay } from "node:timers/promises";
import type { Connection } from "../../src/config.ts";
import * as wire from "./wire.ts";
import type { Message, Status } from "./wire.ts";

/** What a client sends up to Sync, or as a simple Query, and is answered up to ReadyForQuery. */
export type Exchange = {
  /** Counts the connections of a proxy from 1. */
  readonly connection: number;
  /** The prepared statement's name as in Bind, or the text of a statement without one, such as "commit". */
  readonly statement: string;
};

/** What the proxy does to an exchange. A cut is a reset (RST). */
export type Fault =
  /** The server never hears of it: cuts both sides. */
  | { readonly kind: "cut_before" }
  /** The server finishes it and the client never hears of that: it is cut when the server is ready again. */
  | { readonly kind: "drop_answer" }
  /** Cuts both sides as soon as it is sent: it happens or it does not. */
  | { readonly kind: "cut_after" }
  /** The server finishes it and nothing is heard of this connection any more, nor of its end. */
  | { readonly kind: "hang" }
  /** The server never hears of it and the answer is an error; a transaction is rolled back. 57P0x end the session. */
  | { readonly kind: "error"; readonly code: string }
  /** The server finishes it and the answer is an error. */
  | { readonly kind: "error_after"; readonly code: string }
  /** Cuts the client at once; the server hears of it later, finishes it, and its session ends. */
  | { readonly kind: "late"; readonly ms: number }
  /** From now on nothing passes, in either direction; each side believes that the other one is there. */
  | { readonly kind: "half_open" }
  /** It takes longer. */
  | { readonly kind: "delay"; readonly ms: number };

/** A PostgreSQL server as a client on a bad network sees it. Cancellations pass. Disposal ends all connections. */
export type Proxy = AsyncDisposable & {
  /** To the server, through the proxy. */
  readonly connection: Connection;
  /** How many faults there were, by kind. */
  readonly injected: ReadonlyMap<string, number>;
  /** Asked about each exchange. May be replaced at any time. */
  decide: (exchange: Exchange) => Fault | undefined;
  /** Where new connections lead. May be replaced at any time, as by a server that comes back elsewhere. */
  upstream: Connection;
  /** Whether new connections are reset, or told that there are too many; undefined ends it. */
  refuse(mode: "refuse" | "too_many_connections" | undefined): void;
  /** Ends the connections that are idle, as an administrator's command would (57P01). */
  endIdle(): void;
  /** Whether each byte comes alone. */
  slice(on: boolean): void;
};

/** One client and the server's end of its connection. */
type Link = {
  readonly id: number;
  readonly client: Socket;
  readonly server: Socket;
  /** Which of the server's messages the client gets. */
  passes: (message: Message) => boolean;
  /** Set when neither side sees any more what the other one does. */
  severed: boolean;
  /** Set while the client waits for an answer. */
  busy: boolean;
  /** What the server said last; undefined until it has let the client in. */
  status: Status | undefined;
  /** Resolves when the server is ready again, or gone. */
  ready: PromiseWithResolvers<void>;
};

type Write = (socket: Socket, bytes: Buffer) => Promise<void>;

const nothing = (): boolean => false;
const everything = (): boolean => true;

/** Starts a proxy on a free port. It speaks no TLS. */
export async function startProxy(
  upstream: Connection,
  decide: Proxy["decide"] = () => undefined,
): Promise<Proxy> {
  const links = new Set<Link>();
  const sockets = new Set<Socket>();
  const injected = new Map<string, number>();
  let refusal: "refuse" | "too_many_connections" | undefined;
  let sliced = false;
  let connections = 0;

  const write: Write = async (socket, bytes) => {
    if (!sliced) return send(socket, bytes);
    for (let at = 0; at < bytes.length; at++) {
      await send(socket, bytes.subarray(at, at + 1));
      await nextTurn();
    }
  };
  const own = (socket: Socket): Socket => {
    sockets.add(socket);
    return socket.on("error", () => {}).on("close", () => sockets.delete(socket));
  };
  const accept = async (client: Socket): Promise<void> => {
    if (refusal === "refuse") return void client.resetAndDestroy();
    const requests = wire.readMessages(own(client), "client");
    const { value: greeting } = await requests.next();
    if (!greeting) return void client.destroy();
    if (refusal === "too_many_connections") return void client.end(wire.errorResponse("FATAL", "53300"));
    const server = own(net.connect({ port: proxy.upstream.port, host: proxy.upstream.host, noDelay: true }));
    if (wire.isCancelRequest(greeting)) return cancel(client, server, greeting);
    const link = createLink(++connections, client, server);
    links.add(link);
    void write(server, greeting.bytes);
    await Promise.all([
      relayAnswers(link, write),
      relayRequests(link, requests, write, (statement) => {
        const fault = proxy.decide({ connection: link.id, statement });
        if (fault) injected.set(fault.kind, (injected.get(fault.kind) ?? 0) + 1);
        return fault;
      }),
    ]);
    links.delete(link);
  };

  const listener = net.createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    accept(client).catch(() => client.destroy());
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const proxy: Proxy = {
    connection: { ...upstream, host: "127.0.0.1", port: (listener.address() as AddressInfo).port },
    injected,
    decide,
    upstream,
    refuse: (mode) => void (refusal = mode),
    endIdle: () => [...links].filter(isIdle).forEach(end),
    slice: (on) => void (sliced = on),
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const socket of sockets) socket.destroy();
      await once(listener, "close");
    },
  };
  return proxy;
}

function createLink(id: number, client: Socket, server: Socket): Link {
  const ready = Promise.withResolvers<void>();
  return { id, client, server, passes: everything, severed: false, busy: false, status: undefined, ready };
}

/** Resolves when the bytes have left, or cannot any more. */
function send(socket: Socket, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => socket.write(bytes, () => resolve()));
}

/** The server closes the connection when it has done what it can: the client waits for that. */
function cancel(client: Socket, server: Socket, request: Message): void {
  server.on("close", () => client.end()).resume();
  server.write(request.bytes);
}

function isIdle({ status, busy, severed }: Link): boolean {
  return status === "I" && !busy && !severed;
}

/** Ends a connection as a server that shuts down: it says so and closes. */
function end(link: Link, code = "57P01"): void {
  link.passes = nothing;
  link.client.end(wire.errorResponse("FATAL", code));
  link.server.destroy();
}

/** Ends a connection without a word on both sides. */
function cut({ client, server }: Link): void {
  client.resetAndDestroy();
  server.resetAndDestroy();
}

/** Nothing passes any more, not even an end. */
function sever(link: Link): void {
  link.passes = nothing;
  link.severed = true;
}

async function relayAnswers(link: Link, write: Write): Promise<void> {
  try {
    for await (const message of wire.readMessages(link.server, "server")) {
      if (link.passes(message)) await write(link.client, message.bytes);
      if (message.type !== "Z") continue;
      link.status = wire.readStatus(message);
      link.ready.resolve();
    }
    if (!link.severed) link.client.end();
  } catch {
    if (!link.severed) link.client.resetAndDestroy();
  }
  link.ready.resolve();
}

async function relayRequests(
  link: Link,
  requests: AsyncIterable<Message>,
  write: Write,
  decide: (statement: string) => Fault | undefined,
): Promise<void> {
  let messages: Message[] = [];
  try {
    for await (const message of requests) {
      if (link.severed) continue;
      messages.push(message);
      // Until the server has let the client in, they take turns by rules of their own.
      const starting = link.status === undefined;
      if (!starting && !wire.endsExchange(message) && message.type !== "X") continue;
      const bytes = Buffer.concat(messages.map((each) => each.bytes));
      if (starting || message.type === "X") await write(link.server, bytes);
      else await carry(link, bytes, wire.readStatement(messages), write, decide);
      messages = [];
    }
    if (link.severed) link.client.destroy();
    else link.server.end();
  } catch {
    if (!link.severed) link.server.destroy();
  }
}

/** Carries one exchange, with what is decided for it. */
async function carry(
  link: Link,
  bytes: Buffer,
  statement: string,
  write: Write,
  decide: (statement: string) => Fault | undefined,
): Promise<void> {
  const converse = async (request = bytes): Promise<void> => {
    link.ready = Promise.withResolvers();
    await write(link.server, request);
    await link.ready.promise;
  };
  link.busy = true;
  const fault = decide(statement);
  if (fault) await inject(link, fault, statement, converse, write);
  else await converse();
  link.busy = false;
}
