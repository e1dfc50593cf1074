import type pg from "pg";
import type { Statement } from "../src/db/engine/statement.ts";

/** How a statement finds its rows, collected from every node of its plan. */
export type PlanFacts = {
  readonly name: string;
  /** The indexes by which rows are found. */
  readonly indexes: readonly string[];
  /** The tables that are read completely, also through an index. */
  readonly scanned: readonly string[];
  /** Sorts of rows from tables, without those inside of one result row, such as an order's items. */
  readonly sorts: number;
  /** The plan as the engine prints it. */
  readonly text: string;
};

type Node = {
  readonly "Node Type": string;
  readonly "Index Name"?: string;
  readonly "Index Cond"?: string;
  readonly "Relation Name"?: string;
  readonly "Parent Relationship"?: string;
  readonly Plans?: readonly Node[];
};

/**
 * Returns PostgreSQL's generic plan of a statement, which is independent of its parameters (version 16 and
 * later). The session should have the pool's settings and the tables a realistic size: a plan depends on
 * both.
 */
export async function explain(client: pg.ClientBase, statement: Statement<unknown>): Promise<PlanFacts> {
  const { rows } = await client.query(`explain (generic_plan, format json) ${statement.text}`);
  const root: Node = rows[0]["QUERY PLAN"][0].Plan;
  const nodes = flatten(root);
  const text = await client.query(`explain (generic_plan) ${statement.text}`);
  return {
    name: statement.name,
    indexes: distinct(nodes.flatMap((node) => node["Index Name"] ?? [])),
    scanned: distinct(nodes.filter(isFullScan).map((node) => node["Relation Name"]!)),
    sorts: flatten(root, isOwn).filter((node) => isSort(node) && flatten(node).some(readsTable)).length,
    text: text.rows.map((row) => row["QUERY PLAN"]).join("\n"),
  };
}

/** Statements that have to read a whole table, of a handful of rows. */
const readWhole = new Set(["migrations.list"]);

/**
 * Returns the problems of a plan, a sentence each: tables that are read completely, pages that are sorted.
 */
export function problemsOf({ name, scanned, sorts }: PlanFacts): string[] {
  return [
    ...(readWhole.has(name) ? [] : scanned.map((table) => `${name} reads ${table} from end to end`)),
    ...(name.includes(".list") && sorts > 0 ? [`${name} sorts its page`] : []),
  ];
}

function isSort(node: Node): boolean {
  return node["Node Type"] === "Sort" || node["Node Type"] === "Incremental Sort";
}

function isFullScan(node: Node): boolean {
  const type = node["Node Type"];
  return type === "Seq Scan" || (type.startsWith("Index") && node["Index Cond"] === undefined);
}

function readsTable(node: Node): boolean {
  return node["Relation Name"] !== undefined;
}

/** Whether a node runs once instead of once for each row of the result. */
function isOwn(node: Node): boolean {
  return node["Parent Relationship"] !== "SubPlan";
}

function flatten(node: Node, wanted: (node: Node) => boolean = () => true): Node[] {
  return [node, ...(node.Plans ?? []).filter(wanted).flatMap((below) => flatten(below, wanted))];
}

function distinct(names: readonly string[]): string[] {
  return [...new Set(names)].toSorted();
}
