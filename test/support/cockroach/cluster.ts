import pg from "pg";
import type { Connection } from "../../../src/config.ts";
import { toClientConfig } from "../../../src/db/engine/connection.ts";
import { startBalancer } from "./balancer.ts";
import { createCatalog } from "./catalog.ts";
import type { Counts, Hub } from "./hub.ts";
import { startNode, type Condition, type Node } from "./node.ts";
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
  const select = (...conditions: Condition[]): Node[] =>
    nodes.filter(({ condition }) => conditions.includes(condition));
  const hub: Hub = {
    upstream,
    catalog: createCatalog(),
    counts: { statements: 0, refused: new Map(), retried: 0, fullScans: new Map() },
    sessions: new Map(),
    settingsFor,
    operate: (text, values) => operator.query(text, [...values]),
    reachable: (from) => new Set([from, ...select("up", "draining").map(({ id }) => id)]),
    members: () => select("up", "draining", "hung", "dead").map(({ id }) => id),
  };
  for (let id = 1; id <= count; id++)
    nodes.push(starting.use(await startNode(id, hub, { livenessMs, noticeMs })));
  const find = (id: number): Node => {
    const found = nodes[id - 1];
    if (found === undefined) throw new Error(`the cluster has no node ${id}`);
    return found;
  };
  // It has not noticed that a node hangs.
  const balancer = starting.use(await startBalancer(() => select("up", "hung").map(({ port }) => port)));
  const own = { ...upstream, host: "127.0.0.1" };
  const running = starting.move();
  return {
    connection: { ...own, port: balancer.port },
    nodes: nodes.map(({ port }) => ({ ...own, port })),
    operator: upstream,
    counts: hub.counts,
    sessions: () => Map.groupBy(hub.sessions.values(), ({ node }) => node),
    drain: (id) => find(id).drain(),
    kill: (id) => find(id).kill(),
    hang: (id) => find(id).hang(),
    revive: (id) => find(id).revive(),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
