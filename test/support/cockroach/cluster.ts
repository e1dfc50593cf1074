import { once } from "node:events";
import net, { type AddressInfo, type Server, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import type { Connection } from "../../../src/config.ts";
import { toClientConfig } from "../../../src/db/engine/connection.ts";
import { createSplitter, isCancelRequest, type Message } from "../wire.ts";
import { errorOf } from "./answers.ts";
import { createCatalog } from "./catalog.ts";
import { startFront, type Front } from "./front.ts";
import type { Counts, Hub, NodeState } from "./hub.ts";
import type { Session } from "./registry.ts";

export type ClusterOptions = {
  /** The PostgreSQL behind, whose user may end sessions of its own. */
  readonly upstream: Connection;
  /** Default: three. */
  readonly nodes?: number;
  /** The settings that sessions get if they ask for no others, by application_name. */
  readonly settingsFor?: Hub["settingsFor"];
  /** How long a node that has died is still taken for one that cannot be asked. Default: 500. */
  readonly livenessMs?: number;
  /** How soon a node that drains tells its idle connections. Default: at once. */
  readonly noticeMs?: number;
};

/**
 * CockroachDB (emulated): nodes that behave before one PostgreSQL as those of a CockroachDB do where our code
 * can tell. What it takes, refuses, and answers comes from CockroachDB's documentation and source; nothing of
 * CockroachDB runs here. Nodes are numbered from 1.
 */
export type Cluster = AsyncDisposable & {
  /** A balancer before the nodes, which gives connections to those that take them, one after the other. */
  readonly connection: Connection;
  /** The nodes themselves, the first one first. */
  readonly nodes: readonly Connection[];
  /** To the PostgreSQL behind, past everything: an operator's connection. */
  readonly operator: Connection;
  readonly counts: Counts;
  /** The sessions that there are, by node. */
  sessions(): ReadonlyMap<number, readonly Session[]>;
  /** Has a node refuse new connections, and end those that are idle, or get so, with 57P01. */
  drain(node: number): void;
  /** Ends a node with all its connections; what runs on it is undone. Its port refuses connections. */
  kill(node: number): Promise<void>;
  /** Stops a node: it takes connections and bytes, and nothing goes on until it is revived. */
  hang(node: number): void;
  /** Brings a node back that drained, died or hung. */
  revive(node: number): Promise<void>;
};

type Node = {
  readonly state: NodeState;
  readonly fronts: Set<Front>;
  readonly sockets: Set<Socket>;
  server: Server;
  port: number;
  condition: "up" | "draining" | "hung" | "dead" | "gone";
  resume: () => void;
};

/** Has the cluster refuse the service what would read a table from end to end, and nobody else. */
export const refuseScans: Hub["settingsFor"] = (application) =>
  application === "commerce-core" ? { disallow_full_table_scans: "on" } : {};

/** Starts a cluster on free ports of the loopback. */
export async function startCluster({
  upstream,
  nodes: count = 3,
  settingsFor = () => ({}),
  livenessMs = 500,
  noticeMs = 0,
}: ClusterOptions): Promise<Cluster> {
  await using starting = new AsyncDisposableStack();
  const operator = new pg.Pool({ ...toClientConfig(upstream), max: 2 });
  operator.on("error", () => {});
  starting.defer(() => operator.end());
  const nodes: Node[] = [];
  const find = (id: number): Node => {
    const found = nodes[id - 1];
    if (found === undefined) throw new Error(`the cluster has no node ${id}`);
    return found;
  };
  const answers = ({ condition }: Node): boolean => condition === "up" || condition === "draining";
  const hub: Hub = {
    upstream,
    catalog: createCatalog(),
    counts: { statements: 0, refused: new Map(), retried: 0, fullScans: new Map() },
    sessions: new Map(),
    settingsFor,
    operate: (text, values) => operator.query(text, [...values]),
    reachable: (from) =>
      new Set(nodes.filter((node) => answers(node) || node.state.id === from).map(({ state }) => state.id)),
    members: () => nodes.filter(({ condition }) => condition !== "gone").map(({ state }) => state.id),
  };

  const accept = (node: Node, client: Socket): void => {
    node.sockets.add(client);
    client.on("error", () => {}).on("close", () => node.sockets.delete(client));
    let front: Front | undefined;
    let split = createSplitter("client");
    const begin = (greeting: Message): void => {
      // It has left while the node hung.
      if (client.destroyed) return;
      if (isCancelRequest(greeting)) return void cancel(node, client, greeting);
      // TLS is not spoken here.
      if (isSslRequest(greeting)) {
        split = createSplitter("client");
        return void client.write("N");
      }
      if (node.state.isDraining)
        return void client.end(
          errorOf({ code: "57P01", message: "server is not accepting clients, try another node" }),
        );
      const made = startFront(client, greeting, node.state, hub);
      front = made;
      node.fronts.add(made);
      client.on("close", () => node.fronts.delete(made));
    };
    client.on("data", (chunk: Buffer) => {
      const messages = [...split(chunk)];
      void node.state.runs.then(() => {
        for (const each of messages) front ? front.take(each) : begin(each);
      });
    });
  };

  /** Any node passes a cancellation on to the one that the key names. */
  async function cancel(node: Node, client: Socket, { bytes }: Message): Promise<void> {
    const [processId, secret] = [bytes.readInt32BE(8), bytes.readInt32BE(12)];
    const found = [...hub.sessions.values()].find(
      ({ key }) => key.processId === processId && key.secret === secret,
    );
    if (found && hub.reachable(node.state.id).has(found.node)) await found.cancel();
    client.end();
  }

  async function listen(node: Node): Promise<void> {
    node.server = net.createServer({ noDelay: true }, (client) => accept(node, client));
    node.server.listen(node.port, "127.0.0.1");
    await once(node.server, "listening");
    node.port = (node.server.address() as AddressInfo).port;
  }

  for (let id = 1; id <= count; id++) {
    const state: NodeState = { id, isDraining: false, runs: Promise.resolve() };
    const node: Node = {
      ...{ state, fronts: new Set(), sockets: new Set(), port: 0 },
      ...{ server: net.createServer(), condition: "up", resume: () => {} },
    };
    nodes.push(node);
    await listen(node);
    starting.defer(async () => {
      node.resume();
      for (const socket of node.sockets) socket.destroy();
      if (node.server.listening) await new Promise((resolve) => node.server.close(resolve));
    });
  }
  const balancer = starting.use(
    await startBalancer(() => nodes.filter(({ condition }) => condition === "up" || condition === "hung")),
  );
  const own = { ...upstream, host: "127.0.0.1" };
  const running = starting.move();
  return {
    connection: { ...own, port: balancer.port },
    nodes: nodes.map(({ port }) => ({ ...own, port })),
    operator: upstream,
    counts: hub.counts,
    sessions: () => Map.groupBy(hub.sessions.values(), ({ node }) => node),
    drain(id) {
      const node = find(id);
      node.condition = "draining";
      node.state.isDraining = true;
      void delay(noticeMs).then(() => node.fronts.forEach((front) => front.drainIfIdle()));
    },
    async kill(id) {
      const node = find(id);
      node.condition = "dead";
      const closed = new Promise((resolve) => node.server.close(resolve));
      for (const front of node.fronts) front.die();
      for (const socket of node.sockets) socket.resetAndDestroy();
      await closed;
      void delay(livenessMs, undefined, { ref: false }).then(() => {
        if (node.condition === "dead") node.condition = "gone";
      });
    },
    hang(id) {
      const node = find(id);
      node.condition = "hung";
      ({ promise: node.state.runs, resolve: node.resume } = Promise.withResolvers<void>());
    },
    async revive(id) {
      const node = find(id);
      node.condition = "up";
      node.state.isDraining = false;
      node.resume();
      if (!node.server.listening) await listen(node);
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

function isSslRequest({ bytes }: Message): boolean {
  return bytes.readInt32BE(4) === 80877103;
}

/** Carries connections to the nodes that there are, in turn; a node that hangs has not been noticed yet. */
async function startBalancer(
  candidates: () => readonly Pick<Node, "port">[],
): Promise<AsyncDisposable & { readonly port: number }> {
  let turn = 0;
  const sockets = new Set<Socket>();
  const listener = net.createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const nodes = candidates();
    const node = nodes[turn++ % nodes.length];
    if (node === undefined) return void client.resetAndDestroy();
    const server = net.connect({ host: "127.0.0.1", port: node.port, noDelay: true, allowHalfOpen: true });
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      sockets.add(one);
      one.pipe(other);
      one.on("error", () => other.resetAndDestroy());
      one.on("close", () => {
        sockets.delete(one);
        if (!other.destroyed && one.errored) other.resetAndDestroy();
      });
    }
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  return {
    port: (listener.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}
