import type { Node, RangeVar } from "libpg-query";
import { as, findAll, kindOf, lastWord, wordsOf, type Kind } from "./tree.ts";
import { toUpstreamName, type Refusal } from "./variables.ts";

/**
 * What CockroachDB refuses and PostgreSQL takes, in a statement. Returns the first refusal.
 * https://www.cockroachlabs.com/docs/stable/postgresql-compatibility and
 * https://www.cockroachlabs.com/docs/stable/known-limitations list most of it; SQLSTATEs are those of
 * https://github.com/cockroachdb/cockroach/blob/master/pkg/sql/pgwire/pgcode/codes.go.
 */
export function refuse(statement: Node): Refusal | undefined {
  return (
    refuseKind(statement) ??
    refuseVariable(statement) ??
    refusePlaceholder(statement) ??
    refuseWrites(statement) ??
    refuseFunction(statement) ??
    refuseColumn(statement) ??
    refuseDefinition(statement)
  );
}

const syntax = (near: string): Refusal => ({
  code: "42601",
  message: `at or near "${near}": syntax error`,
});
const unimplemented = (what: string): Refusal => ({
  code: "0A000",
  message: `unimplemented: ${what}`,
});

const kinds: Partial<Record<Kind, Refusal>> = {
  ListenStmt: unimplemented("LISTEN is not yet supported"),
  NotifyStmt: unimplemented("NOTIFY is not yet supported"),
  LockStmt: syntax("lock"),
  MergeStmt: syntax("merge"),
  VacuumStmt: syntax("vacuum"),
  CreateDomainStmt: unimplemented("CREATE DOMAIN is not yet supported"),
};

function refuseKind(statement: Node): Refusal | undefined {
  return kinds[kindOf(statement)];
}

function refuseVariable(statement: Node): Refusal | undefined {
  const set = as(statement, "VariableSetStmt");
  // `set transaction …` has no name of a variable.
  const { name } = as(statement, "VariableShowStmt") ?? (set?.kind?.startsWith("VAR_SET_M") ? {} : set) ?? {};
  const found = name === undefined || name === "all" ? "" : toUpstreamName(name);
  return typeof found === "string" ? undefined : found;
}

/**
 * An operand without a type gets the type of the other one, where the operator exists so; intervals are
 * added to intervals, and multiplied by none. What nothing gives a type to has none.
 */
function refusePlaceholder(statement: Node): Refusal | undefined {
  for (const { name, lexpr, rexpr } of findAll(statement, "A_Expr")) {
    const operator = lastWord(name);
    const isPlaceholder = [lexpr, rexpr].some((side) => as(side, "ParamRef"));
    if (isPlaceholder && /^[*/]$/.test(operator) && [lexpr, rexpr].some(isInterval)) {
      const message = `unsupported binary operator: <interval> ${operator} <interval>`;
      return { code: "22023", message };
    }
  }
  const { targetList = [] } = as(statement, "SelectStmt") ?? {};
  for (const each of targetList) {
    const bare = as(as(each, "ResTarget")?.val, "ParamRef");
    if (bare)
      return { code: "42P18", message: `could not determine data type of placeholder $${bare.number}` };
  }
  return undefined;
}

function isInterval(node: unknown): boolean {
  return lastWord(as(node, "TypeCast")?.typeName?.names) === "interval";
}

/** Two writes to one table, unless all insert and update nothing. */
function refuseWrites(statement: Node): Refusal | undefined {
  const writes = new Map<string, boolean[]>();
  for (const kind of ["InsertStmt", "UpdateStmt", "DeleteStmt"] as const)
    for (const write of findAll([statement], kind) as Iterable<{ readonly relation?: RangeVar }>) {
      const isPlain = kind === "InsertStmt" && !("onConflictClause" in write);
      const table = write.relation?.relname ?? "";
      writes.set(table, [...(writes.get(table) ?? []), isPlain]);
    }
  for (const [table, all] of writes)
    if (all.length > 1 && all.includes(false))
      return {
        code: "0A000",
        message:
          `multiple mutations of the same table "${table}" are not supported unless they all use INSERT ` +
          "without ON CONFLICT; this is to prevent data corruption",
      };
  return undefined;
}

/**
 * The functions that CockroachDB has, of those that are called here:
 * https://www.cockroachlabs.com/docs/stable/functions-and-operators.
 */
const functions = new Set(
  `abs array_agg array_length array_to_string bool_and bool_or cardinality ceil clock_timestamp coalesce
  concat count current_database current_setting date_trunc encode extract first_value floor
  gen_random_uuid generate_series json_agg json_build_array json_build_object jsonb_agg
  jsonb_array_elements jsonb_array_length jsonb_build_array jsonb_build_object jsonb_object_agg lag lead
  length lower max md5 min now pg_backend_pid pg_get_constraintdef pg_get_indexdef pg_sleep pg_typeof
  random rank repeat replace round row_number set_config sha256 split_part statement_timestamp string_agg
  string_to_array substr substring sum timezone to_char to_jsonb to_timestamp transaction_timestamp unnest
  upper version`.split(/\s+/),
);
/**
 * Up to v26.2 they answer true and lock nothing: https://github.com/cockroachdb/cockroach/issues/13546.
 */
export const advisoryLock = /^pg_(try_)?advisory_(xact_)?(un)?lock(_shared|_all)?$/;

function refuseFunction(statement: Node): Refusal | undefined {
  for (const { funcname } of findAll([statement], "FuncCall")) {
    const name = lastWord(funcname);
    if (!functions.has(name) && !advisoryLock.test(name))
      return { code: "42883", message: `unknown function: ${name}()` };
  }
  return undefined;
}

function refuseColumn(statement: Node): Refusal | undefined {
  for (const { fields } of findAll(statement, "ColumnRef")) {
    const name = wordsOf(fields).at(-1) ?? "";
    if (/^(ctid|xmin|xmax|cmin|cmax)$/.test(name))
      return { code: "42703", message: `column "${name}" does not exist` };
  }
  return undefined;
}

function refuseDefinition(statement: Node): Refusal | undefined {
  const { relation } = as(statement, "CreateStmt") ?? {};
  if (relation?.relpersistence === "t")
    return unimplemented("temporary tables are only supported experimentally");
  for (const { contype, deferrable } of findAll(statement, "Constraint")) {
    if (contype === "CONSTR_EXCLUSION") return unimplemented("EXCLUDE constraints");
    if (deferrable || contype?.startsWith("CONSTR_ATTR_DEFER"))
      return unimplemented("deferrable constraints");
  }
  const drop = as(statement, "DropdbStmt");
  if (drop?.options?.length) return syntax("with");
  return undefined;
}
