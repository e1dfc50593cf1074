import type { Node, SelectStmt, RangeVar } from "libpg-query";
import type { Catalog } from "./catalog.ts";
import { toLeads, type Block, type Condition, type Source } from "./conditions.ts";
import { as, findAll, lastWord, type NodeOf } from "./tree.ts";

/** What CockroachDB would do at a cost that grows with a table. */
export type Problem = {
  readonly table: string;
  readonly problem:
    /** Nothing constrains an index of the table. */
    | "full scan"
    /** Locks are taken on what is scanned, and no unique key says which rows that are. */
    | "locks by no key"
    /** A limit inside of a correlated lateral subquery, whose index may be lost. */
    | "lateral limit";
};

/**
 * What is wrong with how CockroachDB would read the tables of a statement, by its shape alone. Its optimizer
 * constrains an index by `column = expression`, `in (…)`, `= any(array)` of a parameter, and by comparisons
 * of tuples, and joins by looking up what stands in `=` beside a column:
 * https://www.cockroachlabs.com/docs/stable/joins#lookup-joins. It does not by an array that is a subquery,
 * https://github.com/cockroachdb/cockroach/issues/75457, and takes a limit out of a correlated subquery,
 * https://github.com/cockroachdb/cockroach/issues/165983. A read that locks takes locks on all that it scans:
 * https://www.cockroachlabs.com/docs/stable/select-for-update.
 */
export function findProblems(statement: Node, catalog: Catalog): Problem[] {
  return [...readStatement(statement, catalog, new Set())];
}

function* readStatement(node: Node, catalog: Catalog, outer: ReadonlySet<string>): Generator<Problem> {
  const select = as(node, "SelectStmt");
  if (select) yield* readSelect(select, catalog, outer);
  const [insert, update, remove] = [as(node, "InsertStmt"), as(node, "UpdateStmt"), as(node, "DeleteStmt")];
  const write = insert ?? update ?? remove;
  if (write === undefined) return;
  const ctes = yield* readWith(write.withClause, catalog, outer);
  if (insert) {
    if (insert.selectStmt) yield* readStatement(insert.selectStmt, catalog, ctes);
    yield* readInner([insert.onConflictClause, insert.returningClause], catalog, ctes);
    return;
  }
  const block: Block = { sources: [], conditions: [], ctes };
  addSource(block, catalog, write.relation);
  for (const each of update?.fromClause ?? remove?.usingClause ?? [])
    yield* readFrom(each, block, catalog, () => true);
  const { whereClause } = (update ?? remove)!;
  addConditions(block, whereClause, () => true);
  yield* judgeBlock(block, catalog, undefined);
  yield* readInner([update?.targetList, block.conditions, write.returningClause], catalog, ctes);
}

function* readSelect(select: SelectStmt, catalog: Catalog, outer: ReadonlySet<string>): Generator<Problem> {
  const ctes = yield* readWith(select.withClause, catalog, outer);
  for (const side of [select.larg, select.rarg]) if (side) yield* readSelect(side, catalog, ctes);
  const block: Block = { sources: [], conditions: [], ctes };
  for (const each of select.fromClause ?? []) yield* readFrom(each, block, catalog, () => true);
  addConditions(block, select.whereClause, () => true);
  yield* judgeBlock(block, catalog, select);
  const { targetList, havingClause, valuesLists } = select;
  yield* readInner([targetList, block.conditions, havingClause, valuesLists], catalog, ctes);
}

/** Reads the queries of a `with`, and returns the names that stand for no table behind it. */
function* readWith(
  clause: NodeOf<"WithClause"> | undefined,
  catalog: Catalog,
  outer: ReadonlySet<string>,
): Generator<Problem, ReadonlySet<string>> {
  const names = new Set(outer);
  for (const each of clause?.ctes ?? []) {
    const { ctename = "", ctequery } = as(each, "CommonTableExpr") ?? {};
    if (ctequery) yield* readStatement(ctequery, catalog, names);
    names.add(ctename);
  }
  return names;
}

/** Reads the queries inside of expressions. */
function* readInner(tree: unknown, catalog: Catalog, ctes: ReadonlySet<string>): Generator<Problem> {
  for (const { subselect } of findAll(tree, "SubLink", (name) => name !== "subselect"))
    if (subselect) yield* readStatement(subselect, catalog, ctes);
}

function addSource(block: Block, catalog: Catalog, relation: RangeVar | undefined): void {
  const { relname: name = "", alias, schemaname } = relation ?? {};
  // What the server makes up is no table of ours.
  const isVirtual = schemaname === "pg_catalog" || /^(pg|crdb)_/.test(name);
  if (!block.ctes.has(name) && !isVirtual)
    block.sources.push({ alias: alias?.aliasname ?? name, name, table: catalog.find(name) });
}

function addConditions(block: Block, tree: Node | undefined, leadsTo: Condition["leadsTo"]): void {
  if (tree === undefined) return;
  const all = as(tree, "BoolExpr");
  if (all?.boolop === "AND_EXPR") for (const each of all.args ?? []) addConditions(block, each, leadsTo);
  else block.conditions.push({ node: tree, leadsTo });
}

function* readFrom(
  node: Node,
  block: Block,
  catalog: Catalog,
  leadsTo: Condition["leadsTo"],
): Generator<Problem> {
  const relation = as(node, "RangeVar");
  if (relation) addSource(block, catalog, relation);
  const { subquery, lateral } = as(node, "RangeSubselect") ?? {};
  if (subquery) {
    const select = as(subquery, "SelectStmt");
    if (lateral && select?.limitCount) {
      const [table] = findAll(select.fromClause, "RangeVar");
      yield { table: table?.relname ?? "", problem: "lateral limit" };
    }
    yield* readStatement(subquery, catalog, block.ctes);
  }
  const join = as(node, "JoinExpr");
  if (join === undefined) return;
  const sides: Set<string>[] = [];
  for (const side of [join.larg, join.rarg]) {
    const from = block.sources.length;
    if (side) yield* readFrom(side, block, catalog, leadsTo);
    sides.push(new Set(block.sources.slice(from).map(({ alias }) => alias)));
  }
  const [left, right] = sides as [Set<string>, Set<string>];
  const inner: Readonly<Record<string, Condition["leadsTo"]>> = {
    JOIN_LEFT: (alias) => right.has(alias),
    JOIN_RIGHT: (alias) => left.has(alias),
    JOIN_FULL: () => false,
  };
  addConditions(block, join.quals, inner[join.jointype ?? ""] ?? leadsTo);
}

/** Which tables of a block are read by an index, and which rows are locked by a key. */
function* judgeBlock(block: Block, catalog: Catalog, select: SelectStmt | undefined): Generator<Problem> {
  const { sources } = block;
  const leads = new Map(sources.map((source) => [source.alias, toLeads(source, block)]));
  const found = new Set<string>();
  const equals = new Map<string, ReadonlySet<string>>();
  for (let before = -1; before < found.size;) {
    before = found.size;
    for (const { alias, table } of sources) {
      const usable = leads.get(alias)!.filter(({ from }) => isIn(from, found));
      const equal = new Set(usable.filter(({ isEqual }) => isEqual).map(({ column }) => column));
      equals.set(alias, equal);
      const first = new Set(usable.map(({ column }) => column));
      if (table?.indexes.some(({ columns }) => first.has(columns[0]!))) found.add(alias);
    }
  }
  const isPage = select?.limitCount !== undefined && sources.length === 1 && isOrdered(select, sources[0]!);
  for (const { alias, name } of sources)
    if (!found.has(alias) && !isPage) yield { table: name, problem: "full scan" };
  for (const { alias, name, table } of lockedBy(select, sources)) {
    const isKeyed = table?.indexes.some(
      ({ isUnique, columns }) => isUnique && isIn(columns, equals.get(alias)!),
    );
    if (!isKeyed) yield { table: name, problem: "locks by no key" };
  }
}

function lockedBy(select: SelectStmt | undefined, sources: readonly Source[]): readonly Source[] {
  const clauses = (select?.lockingClause ?? []).map((each) => as(each, "LockingClause")!);
  return sources.filter(({ alias }) =>
    clauses.some(
      ({ lockedRels }) =>
        lockedRels === undefined || lockedRels.some((each) => as(each, "RangeVar")?.relname === alias),
    ),
  );
}

/** Whether the first rows of an order are the first ones of an index, or no order is asked for. */
function isOrdered({ sortClause = [] }: SelectStmt, { table }: Source): boolean {
  const [first] = sortClause.map((each) => lastWord(as(as(each, "SortBy")?.node, "ColumnRef")?.fields));
  return first === undefined || (table?.indexes.some(({ columns }) => columns[0] === first) ?? false);
}

function isIn(some: Iterable<string>, all: ReadonlySet<string>): boolean {
  return Array.from(some).every((each) => all.has(each));
}
