import type { Node, RawStmt } from "libpg-query";
import { apply, lengthAt, type Edit } from "./edits.ts";
import { advisoryLock, refuse } from "./refusals.ts";
import { as, findAll, kindOf, lastWord, parse } from "./tree.ts";
import { retype, type Retyped } from "./types.ts";
import { toUpstreamName, type Refusal } from "./variables.ts";

/** What is asked of the cluster itself. */
export type Command = {
  readonly kind: "cancel session" | "cancel query";
  readonly ids: readonly string[];
  readonly ifExists: boolean;
};

/** An SQL text as PostgreSQL is to be sent it, and what is to be known of it. */
export type Translation = {
  /** What the client has written. */
  readonly source: string;
  /** With marks in the place of what is known when it is sent: of sessions, queries, and the own session. */
  readonly text: string;
  readonly statements: readonly Node[];
  readonly refusal?: Refusal | undefined;
  readonly command?: Command | undefined;
  /** It defines something, before which CockroachDB commits. */
  readonly isDefinition: boolean;
  /** How the columns of the result are typed. */
  readonly retyped: readonly (Retyped | undefined)[];
  /** The session variables that it sets. */
  readonly sets: readonly (readonly [name: string, value: string])[];
};

export const sessionsMarks = { all: "crdb_all_sessions", ofApplications: "crdb_application_sessions" };
export const queriesMark = "crdb_queries";
export const sessionMark = "crdb-own-session";

/** What `select version()` answers. */
export const version =
  "CockroachDB CCL v25.2.0-emulated (x86_64-pc-linux-gnu, built 2025/05/09 00:00:00, go1.23.7)";

const known = new Map<string, Translation>();

/** Translates an SQL text; the same text is read once. */
export function translate(text: string): Translation {
  const before = known.get(text);
  if (before) return before;
  const translation = read(text);
  known.set(text, translation);
  return translation;
}

const none = { statements: [], isDefinition: false, retyped: [], sets: [] } as const;

function read(text: string): Translation {
  const command = readCommand(text);
  if (command) return { ...none, source: text, text, command };
  const plain = spellAsPostgres(text);
  let statements: readonly RawStmt[];
  try {
    statements = parse(plain);
  } catch (error) {
    const message = `${(error as Error).message.replace(/^syntax error /, "")}: syntax error`;
    return { ...none, source: text, text, refusal: { code: "42601", message } };
  }
  const nodes = statements.flatMap(({ stmt }) => stmt ?? []);
  const refusal = nodes.map(refuse).find((each) => each !== undefined);
  if (refusal) return { ...none, source: text, text, statements: nodes, refusal };
  return {
    source: text,
    text: apply(
      plain,
      statements.flatMap((each) => edit(each, plain)),
    ),
    statements: nodes,
    isDefinition: nodes.some(isDefinition),
    retyped: nodes.length === 1 ? retype(nodes[0]!) : [],
    sets: nodes.flatMap(readSet),
  };
}

const oneOrMore = /(?:'[^']*'|\(\s*values[^;]*\))/;
const cancel = new RegExp(
  `^\\s*cancel\\s+(sessions?|query|queries)\\s+(if\\s+exists\\s+)?(${oneOrMore.source})\\s*;?\\s*$`,
  "i",
);

function readCommand(text: string): Command | undefined {
  const [, what, ifExists, ids] = cancel.exec(text) ?? [];
  if (what === undefined || ids === undefined) return undefined;
  return {
    kind: /^session/i.test(what) ? "cancel session" : "cancel query",
    ids: Array.from(ids.matchAll(/'([^']*)'/g), ([, id]) => id!),
    ifExists: ifExists !== undefined,
  };
}

/** What one writes for CockroachDB alone, as PostgreSQL's grammar has it or without it. */
const spellings: readonly (readonly [own: RegExp, instead: string])[] = [
  [/\[\s*show\s+(.*?)\s*\]/gi, "show $1"],
  [/\bshow\s+all\s+(?:cluster\s+)?sessions\b/gi, sessionsMarks.all],
  [/\bshow\s+(?:cluster\s+)?sessions\b/gi, sessionsMarks.ofApplications],
  [/\bshow\s+(?:all\s+)?(?:cluster\s+)?queries\b/gi, queriesMark],
  [/^\s*(crdb_\w+)\s*;?\s*$/g, "select * from $1"],
  [/^\s*show\s+session_id\s*;?\s*$/gi, `select '${sessionMark}'::text as session_id`],
  [/^\s*drop\s+database\s+(if\s+exists\s+)?(\S+)\s+cascade\s*;?\s*$/gi, "drop database $1$2 /* cascade */"],
  // Hash sharding, which spreads an index and changes no result.
  [/(?<=\))\s+using\s+hash\b(\s+with\s*\(\s*bucket_count\s*=\s*\d+\s*\))?/gi, ""],
  [/\bstoring\s*\(/gi, "include ("],
  [/,\s*family\s+\w+\s*\([^)]*\)/gi, ""],
];

function spellAsPostgres(text: string): string {
  return spellings.reduce((result, [own, instead]) => result.replace(own, instead), text);
}

const definitions = /^(Create|Alter|Drop|Index|Rename|View|Truncate|Comment|Grant)/;

function isDefinition(node: Node): boolean {
  return definitions.test(kindOf(node)) && !/^DropRole|^CreateRole|^AlterRole/.test(kindOf(node));
}

/** The changes of a statement that CockroachDB takes. */
function edit({ stmt: node, stmt_location: at = 0, stmt_len }: RawStmt, text: string): Edit[] {
  if (node === undefined) return [];
  const length = stmt_len ?? Buffer.byteLength(text) - at;
  return [
    ...editCalls(node, text),
    ...editVirtual(node),
    ...editVariable(node, text, { at, length }),
    ...editOptions(node, text, { at, length }),
  ];
}

type Place = Pick<Edit, "at" | "length">;

const textAt = (text: string, { at, length }: Place): string =>
  Buffer.from(text)
    .subarray(at, at + length)
    .toString();

function* editCalls(node: Node, text: string): Generator<Edit> {
  const unnamed = new Set(
    Array.from(findAll(node, "ResTarget"), ({ name, val }) =>
      name === undefined ? as(val, "FuncCall") : undefined,
    ),
  );
  for (const call of findAll([node], "FuncCall")) {
    const { location: at = 0, funcname, args = [] } = call;
    const name = lastWord(funcname);
    const stand = (value: string): Edit => {
      const length = lengthAt(text, at, /[\w.]+\s*\([^()]*\)/);
      return { at, length, text: unnamed.has(call) ? `${value} as ${name}` : value };
    };
    if (name === "version") yield stand(`'${version}'::text`);
    if (advisoryLock.test(name)) yield stand("true");
    const literal = name === "current_setting" ? as(args[0], "A_Const") : undefined;
    const upstream = toUpstreamName(literal?.sval?.sval ?? "crdb.none");
    if (typeof upstream === "string" && literal?.location !== undefined)
      yield {
        at: literal.location,
        length: lengthAt(text, literal.location, /'[^']*'/),
        text: `'${upstream}'`,
      };
  }
}

/** Views of the server's state that CockroachDB has for the sake of programs, and leaves empty. */
function* editVirtual(node: Node): Generator<Edit> {
  for (const { relname = "", alias, location: at = 0, schemaname } of findAll([node], "RangeVar")) {
    if (!/^pg_(stat_activity|locks|stat_\w+|prepared_xacts)$/.test(relname)) continue;
    const length = (schemaname === undefined ? 0 : schemaname.length + 1) + relname.length;
    const name = alias ? "" : ` ${relname}`;
    yield { at, length, text: `(select * from pg_catalog.${relname} where false)${name}` };
  }
}

/** A variable under the name that it has in PostgreSQL. */
function* editVariable(node: Node, text: string, place: Place): Generator<Edit> {
  const show = as(node, "VariableShowStmt");
  const { name = "" } = show ?? as(node, "VariableSetStmt") ?? {};
  const upstream = name && toUpstreamName(name);
  if (typeof upstream !== "string" || upstream === name) return;
  const before = textAt(text, place).toLowerCase().indexOf(name);
  yield show
    ? { ...place, text: `select current_setting('${upstream}') as ${name}` }
    : { at: place.at + before, length: name.length, text: upstream };
}

function readSet(node: Node): [string, string][] {
  const { name, args = [] } = as(node, "VariableSetStmt") ?? {};
  const constant = as(args[0], "A_Const");
  const value =
    constant?.sval?.sval ?? constant?.ival?.ival?.toString() ?? constant?.boolval?.boolval?.toString();
  return name !== undefined && value !== undefined ? [[name.toLowerCase(), value]] : [];
}

const storage = /^(ttl\w*|schema_locked|exclude_data_from_backup)$/;

/** Storage parameters of CockroachDB's, such as when rows expire: nothing here depends on them. */
function* editOptions(node: Node, text: string, place: Place): Generator<Edit> {
  const isOwn = (options: readonly Node[] | undefined): boolean =>
    (options ?? []).some((each) => storage.test(as(each, "DefElem")?.defname ?? ""));
  if (isOwn(as(node, "CreateStmt")?.options)) {
    const definition = textAt(text, place);
    const clause = /\bwith\s*\((?:'[^']*'|[^()'])*\)\s*$/i.exec(definition)!;
    const at = place.at + Buffer.byteLength(definition.slice(0, clause.index));
    yield { at, length: Buffer.byteLength(clause[0]), text: "" };
  }
  const changes = (as(node, "AlterTableStmt")?.cmds ?? []).map((each) => as(each, "AlterTableCmd"));
  // A statement that changes nothing, in the place of the whole one.
  if (
    changes.some(
      (each) => /^AT_(Re)?[sS]etRelOptions$/.test(each?.subtype ?? "") && isOwn(as(each?.def, "List")?.items),
    )
  )
    yield { ...place, text: "select 1 where false" };
}
