import { once as event } from "node:events";
import net, { type AddressInfo, type Socket } from "node:net";
import type { Connection } from "../../src/config.ts";
import { allTexts } from "../../src/db/engine/statement.ts";
import type { Fault } from "./fault.ts";
import { cancel, createLink, end, isIdle, killClient, relay, reset, type Link } from "./link.ts";
import { errorResponse, isCancelRequest, readMessages } from "./wire.ts";

export type { Fault } from "./fault.ts";

/** What a client sends up to Sync, or as a simple Query, and is answered up to ReadyForQuery. */
export type Exchange = {
  /** Counts the connections of a proxy from 1. */
  readonly connection: number;
  /** The prepared statement's name as in Bind, or the text of a statement without one, such as "commit". */
  readonly statement: string;
};

type Refusal = "refuse" | "silence" | "too_many_connections";

/** A PostgreSQL server as seen through a bad network. Cancellations pass. Disposal ends all connections. */
export type Proxy = AsyncDisposable & {
  /** To the server, through the proxy. */
  readonly connection: Connection;
  /** How many faults there were, by kind. */
  readonly injected: ReadonlyMap<string, number>;
  /** Asked about each exchange. May be replaced at any time. */
  decide: (exchange: Exchange) => Fault | undefined;
  /** Whether it is also asked about the exchange by which a new connection learns its session. */
  decidesIdentification: boolean;
  /** Where new connections lead. May be replaced at any time, as by a server that comes back elsewhere. */
  upstream: Connection;
  /** Whether new connections are reset, get no answer, or are told that there are too many. */
  refuse(mode: Refusal | undefined): void;
  /** Ends the connections that are idle, as an administrator's command would (57P01). */
  endIdle(): void;
  /**
   * Lets the client die: from now on new connections are reset, and of the others the server gets what was
   * sent, and hears of the death `lingerMs` later.
   */
  killClient(lingerMs: number): void;
  /** Whether each byte comes alone. */
  slice(on: boolean): void;
};

/** Decides for a fault at the first exchange with a statement, and for none at any other. */
export function once(statement: string, fault: Fault): Proxy["decide"] {
  let done = false;
  return (exchange) => {
    if (done || exchange.statement !== statement) return undefined;
    done = true;
    return fault;
  };
}

/** The text by which a connection learns its session; it is declared where the engine is loaded. */
function isIdentification(text: string): boolean {
  const ids = [allTexts("postgresql").get("session.began"), allTexts("cockroachdb").get("session.id")];
  return ids.includes(text);
}

/** Starts a proxy on a free port. It speaks no TLS. */
export async function startProxy(
  upstream: Connection,
  decide: Proxy["decide"] = () => undefined,
): Promise<Proxy> {
  const links = new Set<Link>();
  const sockets = new Set<Socket>();
  const injected = new Map<string, number>();
  let refusal: Refusal | undefined;
  let isDead = false;
  let sliced = false;
  let connections = 0;

  const own = (socket: Socket): Socket => {
    sockets.add(socket);
    return socket.on("error", () => {}).on("close", () => sockets.delete(socket));
  };
  const connect = (): Socket => {
    const { host, port } = proxy.upstream;
    return own(net.connect({ host, port, noDelay: true }));
  };
  const choose = (connection: number, statement: string): Fault | undefined => {
    if (isIdentification(statement) && !proxy.decidesIdentification) return undefined;
    const fault = proxy.decide({ connection, statement });
    if (fault) injected.set(fault.kind, (injected.get(fault.kind) ?? 0) + 1);
    return fault;
  };
  const accept = async (client: Socket): Promise<void> => {
    if (isDead || refusal === "refuse") return reset(client);
    if (refusal === "silence") return void own(client).resume();
    const requests = readMessages(own(client), "client");
    const { value: greeting } = await requests.next();
    if (!greeting) return void client.destroy();
    if (isCancelRequest(greeting)) return cancel(client, connect(), greeting);
    if (refusal) return void client.end(errorResponse("FATAL", "53300"));
    const connection = ++connections;
    const link = createLink(client, connect(), {
      decide: (statement) => choose(connection, statement),
      isSliced: () => sliced,
    });
    links.add(link);
    await relay(link, greeting, requests);
    links.delete(link);
  };

  const listener = net.createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    accept(client).catch(() => client.destroy());
  });
  listener.listen(0, "127.0.0.1");
  await event(listener, "listening");
  const { port } = listener.address() as AddressInfo;
  const proxy: Proxy = {
    connection: { ...upstream, host: "127.0.0.1", port },
    injected,
    decide,
    decidesIdentification: false,
    upstream,
    refuse: (mode) => void (refusal = mode),
    endIdle: () => [...links].filter(isIdle).forEach((link) => end(link, "57P01")),
    killClient(lingerMs) {
      isDead = true;
      for (const link of links) killClient(link, lingerMs);
    },
    slice: (on) => void (sliced = on),
    async [Symbol.asyncDispose]() {
      const closed = event(listener, "close");
      listener.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
  return proxy;
}
