import type { Node } from "libpg-query";
import type { Table } from "./catalog.ts";
import { as, findAll, lastWord, wordsOf } from "./tree.ts";

/** A table that a block of a query reads. */
export type Source = {
  readonly alias: string;
  readonly name: string;
  readonly table: Table | undefined;
};

/** A condition, and the tables that it can lead to: the inner side of an outer join, or all. */
export type Condition = { readonly node: Node; readonly leadsTo: (alias: string) => boolean };

/** One `from` with its conditions. */
export type Block = {
  readonly sources: Source[];
  readonly conditions: Condition[];
  readonly ctes: ReadonlySet<string>;
};

/**
 * A column of a table that a condition leads to, from the tables that it is compared with; none of them for
 * parameters, and for what is joined that is no table.
 */
type Lead = { readonly column: string; readonly from: ReadonlySet<string>; readonly isEqual: boolean };

/** The columns of a table that the conditions of its block lead to. */
export function toLeads(source: Source, block: Block): Lead[] {
  return block.conditions
    .filter(({ leadsTo }) => leadsTo(source.alias))
    .flatMap(({ node }) => [...readComparison(node)])
    .flatMap(({ left, right, isEqual }) => {
      const column = columnOf(left, source, block);
      const from = new Set(sourcesOf(right, block));
      if (column === undefined || from.has(source.alias) || isSubqueriedArray(right)) return [];
      return [{ column, from, isEqual }];
    });
}

type Comparison = { readonly left: unknown; readonly right: unknown; readonly isEqual: boolean };

const ranges = new Set(["<", ">", "<=", ">="]);

/** What is compared with what, both ways; of tuples each pair where they are equal, else the first one. */
function* readComparison(node: Node): Generator<Comparison> {
  const sublink = as(node, "SubLink");
  // `in (select …)` is a join.
  if (sublink?.subLinkType === "ANY_SUBLINK" && sublink.operName === undefined)
    yield { left: sublink.testexpr, right: undefined, isEqual: true };
  const expression = as(node, "A_Expr");
  if (expression === undefined) return;
  const { kind, lexpr: left, rexpr: right } = expression;
  const operator = lastWord(expression.name);
  const isEqual = operator === "=";
  if (kind === "AEXPR_IN" || (kind === "AEXPR_OP_ANY" && isEqual)) yield { left, right, isEqual };
  if (kind !== "AEXPR_OP" || !(isEqual || ranges.has(operator))) return;
  const [lefts, rights] = [as(left, "RowExpr")?.args ?? [left], as(right, "RowExpr")?.args ?? [right]];
  for (const [n, one] of lefts.entries()) {
    if (n > 0 && !isEqual) return;
    yield { left: one, right: rights[n], isEqual };
    yield { left: rights[n], right: one, isEqual };
  }
}

/** The column of a table that an expression is, bare. */
function columnOf(node: unknown, source: Source, block: Block): string | undefined {
  const words = wordsOf(as(node, "ColumnRef")?.fields);
  return resolve(words, block) === source ? words.at(-1) : undefined;
}

/** The tables of a block that an expression names. */
function* sourcesOf(node: unknown, block: Block): Generator<string> {
  for (const { fields } of findAll([node], "ColumnRef")) {
    const source = resolve(wordsOf(fields), block);
    if (source) yield source.alias;
  }
}

/** The table of a block that a column is of, if it is of one. */
function resolve(words: readonly string[], { sources }: Block): Source | undefined {
  const [column, qualifier] = words.toReversed();
  if (column === undefined) return undefined;
  return sources.find(({ alias, table }) => (qualifier ? alias === qualifier : table?.columns.has(column)));
}

function isSubqueriedArray(node: unknown): boolean {
  return Array.from(findAll([node], "SubLink")).some(({ subLinkType }) => subLinkType === "ARRAY_SUBLINK");
}
