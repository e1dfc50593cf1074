import type { Node, SelectStmt } from "libpg-query";
import { as, lastWord, wordsOf, type NodeOf } from "./tree.ts";

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
export function toTypeNumber(own: Retyped | undefined, number: number): number {
  return (own && retyped[own].get(number)) ?? number;
}

const integers = new Set(
  `array_length array_upper array_lower cardinality length char_length strpos position pg_backend_pid
  ascii`.split(/\s+/),
);
const unifying = new Set(["coalesce", "greatest", "least", "nullif", "abs", "min", "max"]);

type Column = readonly [name: string, type: Retyped | undefined];

/** The columns of what has a name: of the queries of `with`, and of what the innermost `from` reads. */
type Scope = ReadonlyMap<string, readonly Column[]>;

/** The columns of the result that are typed otherwise, by their places; none where a star hides places. */
export function retype(statement: Node): (Retyped | undefined)[] {
  return columnsOf(statement, new Map()).map(([, type]) => type);
}

function columnsOf(statement: Node | undefined, outer: Scope): readonly Column[] {
  const select = as(statement, "SelectStmt");
  if (select) return ofSelect(select, outer);
  const write = as(statement, "InsertStmt") ?? as(statement, "UpdateStmt") ?? as(statement, "DeleteStmt");
  const scope = new Map([...outer, ...readWith(write?.withClause, outer)]);
  return ofTargets(write?.returningClause?.exprs, scope);
}

function ofSelect(select: SelectStmt, outer: Scope): readonly Column[] {
  const ctes = readWith(select.withClause, outer);
  if (select.larg) return ofSelect(select.larg, ctes);
  const scope = new Map(ctes);
  for (const each of select.fromClause ?? []) readFrom(each, ctes, scope);
  return ofTargets(select.targetList, scope);
}

function readWith(clause: NodeOf<"WithClause"> | undefined, outer: Scope): Map<string, readonly Column[]> {
  const scope = new Map(outer);
  for (const each of clause?.ctes ?? []) {
    const { ctename = "", ctequery } = as(each, "CommonTableExpr") ?? {};
    scope.set(ctename, columnsOf(ctequery, scope));
  }
  return scope;
}

function readFrom(node: Node, ctes: Scope, scope: Map<string, readonly Column[]>): void {
  const relation = as(node, "RangeVar");
  if (relation) {
    const { relname = "", alias } = relation;
    scope.set(alias?.aliasname ?? relname, ctes.get(relname) ?? []);
  }
  const { subquery, alias } = as(node, "RangeSubselect") ?? {};
  if (subquery) scope.set(alias?.aliasname ?? "", columnsOf(subquery, ctes));
  const call = as(node, "RangeFunction")?.alias;
  if (call) scope.set(call.aliasname ?? "", []);
  const join = as(node, "JoinExpr");
  for (const side of [join?.larg, join?.rarg]) if (side) readFrom(side, ctes, scope);
}

function ofTargets(targets: readonly Node[] | undefined, scope: Scope): readonly Column[] {
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
  const inner = as(node, "SubLink")?.subselect;
  if (inner) return columnsOf(inner, scope)[0]?.[1];
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

function ofColumn(words: readonly string[], scope: Scope): Retyped | undefined {
  const [table, column] = words.length > 1 ? words.slice(-2) : [undefined, words[0]];
  const candidates = table === undefined ? [...scope.values()].flat() : (scope.get(table) ?? []);
  return candidates.find(([name]) => name === column)?.[1];
}
