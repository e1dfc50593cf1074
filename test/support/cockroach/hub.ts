import type { Connection } from "../../../src/config.ts";
import type { Catalog } from "./catalog.ts";
import type { Session } from "./registry.ts";

/** What the emulated cluster has seen. */
export type Counts = {
  /** Statements that PostgreSQL was sent. */
  statements: number;
  /** Those that were refused, by SQLSTATE. */
  readonly refused: Map<string, number>;
  /** Transactions of one statement that were run again before their client heard of anything. */
  retried: number;
  /** Statements that CockroachDB would read a table for from end to end, with the tables, by text. */
  readonly fullScans: Map<string, readonly string[]>;
};

/** What a node's sessions know of their cluster. */
export type Hub = {
  readonly upstream: Connection;
  readonly catalog: Catalog;
  readonly counts: Counts;
  readonly sessions: Map<string, Session>;
  /** The settings that a session gets if it asks for no others, as `alter role … set` gives them. */
  readonly settingsFor: (application: string) => Readonly<Record<string, string>>;
  /** Runs a statement on the PostgreSQL behind. */
  operate(text: string, values: readonly unknown[]): Promise<unknown>;
  /** The nodes that a node can ask, itself among them. */
  reachable(from: number): ReadonlySet<number>;
  /** The nodes that are there, as far as the cluster has noticed. */
  members(): readonly number[];
};

/** One node, as its sessions see it. */
export type NodeState = {
  readonly id: number;
  isDraining: boolean;
  /** Resolves when the node runs; while it hangs, nothing goes on. */
  runs: Promise<unknown>;
};
