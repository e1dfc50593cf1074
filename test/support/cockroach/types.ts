import type { Node, SelectStmt } from "libpg-query";
import { as, lastWord, wordsOf } from "./tree.ts";

/**
 * How CockroachDB types a result column that PostgreSQL types otherwise, by the types' numbers; their texts
 * are the same. Its integers have 64 bits unless a column or a cast says otherwise, a sum of them is a
 * decimal, and a part of a date a float: https://www.cockroachlabs.com/docs/stable/int,
 * https://www.cockroachlabs.com/docs/stable/functions-and-operators.
 */
export type Retyped = keyof typeof retyped;

const [int2, int4, int8, numeric, float8] = [21, 23, 20, 1700, 701];

const retyped = {
  integer: new Map([
    [int2, int8],
    [int4, int8],
  ]),
  sum: new Map([[int8, numeric]]),
  part: new Map([[numeric, float8]]),
} as const;

/** The number of the type that CockroachDB gives to a column. */
export function toTypeNumber(as_: Retyped | undefined, number: number): number {
  return (as_ && retyped[as_].get(number)) ?? number;
}

const integers = new Set(
  "array_length array_upper array_lower cardinality length char_length strpos position pg_backend_pid ascii".split(
    " ",
  ),
);
const unifying = new Set(["coalesce", "greatest", "least", "nullif", "abs", "min", "max"]);

type Scope = {
  /** The queries that names stand for: those of `with`, and those of the innermost `from`. */
  readonly queries: ReadonlyMap<string, SelectStmt>;
};

/** The columns of the result that are typed otherwise, by their places; none where a star hides places. */
export function retype(statement: Node): (Retyped | undefined)[] {
  const select = as(statement, "SelectStmt");
  if (select) return ofSelect(select, { queries: new Map() }).map(([, type]) => type);
  const write = as(statement, "InsertStmt") ?? as(statement, "UpdateStmt") ?? as(statement, "DeleteStmt");
  return ofTargets(write?.returningClause?.exprs, { queries: new Map() }).map(([, type]) => type);
}

type Column = readonly [name: string, type: Retyped | undefined];

function ofSelect(select: SelectStmt, outer: Scope): Column[] {
  const queries = new Map(outer.queries);
  for (const each of select.withClause?.ctes ?? []) {
    const { ctename = "", ctequery } = as(each, "CommonTableExpr") ?? {};
    const query = as(ctequery, "SelectStmt");
    // A name that stands for something else now.
    queries.delete(ctename);
    if (query) queries.set(ctename, { ...query, withClause: { ctes: select.withClause!.ctes! } });
  }
  if (select.larg) return ofSelect(select.larg, { queries });
  const named = new Map(queries);
  for (const each of select.fromClause ?? []) nameFrom(each, queries, named);
  return ofTargets(select.targetList, { queries: named });
}

function nameFrom(node: Node, ctes: ReadonlyMap<string, SelectStmt>, named: Map<string, SelectStmt>): void {
  const { relname = "", alias } = as(node, "RangeVar") ?? {};
  const cte = ctes.get(relname);
  if (cte) named.set(alias?.aliasname ?? relname, cte);
  const { subquery, alias: name } = as(node, "RangeSubselect") ?? {};
  const query = as(subquery, "SelectStmt");
  if (query && name?.aliasname) named.set(name.aliasname, query);
  const join = as(node, "JoinExpr");
  for (const side of [join?.larg, join?.rarg]) if (side) nameFrom(side, ctes, named);
}

function ofTargets(targets: readonly Node[] | undefined, scope: Scope): Column[] {
  const columns = (targets ?? []).map((each): Column => {
    const { name, val } = as(each, "ResTarget") ?? {};
    return [name ?? lastWord(as(val, "ColumnRef")?.fields), val && typeOf(val, scope)];
  });
  return columns.some(([name]) => name === "*") ? [] : columns;
}

function typeOf(node: Node, scope: Scope): Retyped | undefined {
  const constant = as(node, "A_Const");
  if (constant) return constant.ival === undefined ? undefined : "integer";
  const cast = as(node, "TypeCast");
  // What is written `int` is looked up by PostgreSQL's grammar, what is written `int4` is not.
  if (cast) return wordsOf(cast.typeName?.names).join(".") === "pg_catalog.int4" ? "integer" : undefined;
  const call = as(node, "FuncCall");
  if (call) return ofCall(lastWord(call.funcname), call.args ?? [], scope);
  const many = as(node, "CoalesceExpr")?.args ?? as(node, "MinMaxExpr")?.args;
  if (many) return unify(many, scope);
  const cases = as(node, "CaseExpr");
  if (cases) {
    const results = (cases.args ?? []).flatMap((each) => as(each, "CaseWhen")?.result ?? []);
    return unify([...results, ...(cases.defresult ? [cases.defresult] : [])], scope);
  }
  if (as(node, "A_Expr")?.kind === "AEXPR_OP") return "integer";
  const inner = as(as(node, "SubLink")?.subselect, "SelectStmt");
  if (inner) return ofSelect(inner, scope)[0]?.[1];
  return ofColumn(wordsOf(as(node, "ColumnRef")?.fields), scope);
}

function ofCall(name: string, args: readonly Node[], scope: Scope): Retyped | undefined {
  if (integers.has(name)) return "integer";
  if (name === "sum") return "sum";
  if (name === "extract" || name === "date_part") return "part";
  return unifying.has(name) ? unify(args, scope) : undefined;
}

function unify(nodes: readonly Node[], scope: Scope): Retyped | undefined {
  return nodes.map((each) => typeOf(each, scope)).find((type) => type !== undefined);
}

function ofColumn(words: readonly string[], { queries }: Scope): Retyped | undefined {
  const [table, column] = words.length > 1 ? words.slice(-2) : [undefined, words[0]];
  const candidates = table === undefined ? [...queries.values()] : [queries.get(table)];
  for (const query of candidates) {
    const found = query && ofSelect(query, { queries: new Map() }).find(([name]) => name === column);
    if (found) return found[1];
  }
  return undefined;
}
