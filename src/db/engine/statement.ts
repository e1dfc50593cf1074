import type { Engine } from "../../config.ts";

/** A named SQL text: prepared once on each connection under its name. */
export type Statement<Row> = {
  readonly name: string;
  readonly text: string;
  /** It changes nothing: losing an attempt loses nothing. */
  readonly readsOnly: boolean;
  /**
   * What PostgreSQL runs it under instead of "read committed", which the statement needs and says why. It
   * takes two more round trips. CockroachDB runs all statements under "serializable".
   */
  readonly isolation?: "repeatable read" | undefined;
  /** Only a type: what a row of the result is. */
  readonly row?: Row;
};

/** Runs a statement within the deadline of a call, and returns its rows. */
export type Run = <Row>(statement: Statement<Row>, values: readonly unknown[]) => Promise<Row[]>;

const statements = new Map<string, Statement<unknown>>();
const commands = new Map<string, { readonly text: string; readonly engine: Engine | undefined }>();

/**
 * Declares a statement. All SQL of the service is declared when its modules load, so that the gates can list
 * it. Each must be safe to run again after an outcome that is not known: a read, or a write
 * whose keys are derived from the call.
 *
 * Each must be right under "read committed" (see docs/exactly-once.md): the statement has one snapshot, as of
 * its beginning, and of a row that it has locked what the lock found, which may be newer. A write says beside
 * its SQL what it locks in which order, and what it takes from the snapshot.
 */
export function statement<Row>(
  name: string,
  text: string,
  { isolation }: Pick<Statement<Row>, "isolation"> = {},
): Statement<Row> {
  expectNew(name);
  const declared = { name, text, readsOnly: /^\s*select\b/.test(text), isolation };
  statements.set(name, declared);
  return declared;
}

/**
 * Declares an SQL text that is sent as it is and not prepared under its name, and returns it: what opens and
 * ends transactions, ends sessions, and runs migrations. With `engine` it is sent to that engine only.
 */
export function command(name: string, text: string, engine?: Engine): string {
  expectNew(name);
  commands.set(name, { text, engine });
  return text;
}

function expectNew(name: string): void {
  if (statements.has(name) || commands.has(name)) throw new Error(`two SQL texts are named ${name}`);
}

/** All statements that have been declared, in the order of their declaration. */
export function allStatements(): readonly Statement<unknown>[] {
  return [...statements.values()];
}

/** The texts of all statements and commands that an engine may be sent, by name. */
export function allTexts(engine: Engine): Map<string, string> {
  const sent = [...commands].filter(([, only]) => (only.engine ?? engine) === engine);
  return new Map([...statements, ...sent].map(([name, { text }]) => [name, text]));
}

/** The columns that a type is read from: its whole row mapping. */
export type Columns<Row> = {
  /** As a query of the table reads them: `u.id, u.create_time as "createTime"`. */
  of(table: string): string;
  /** As a query behind that one reads them again: `u.id, u."createTime"`. */
  again(table: string): string;
  /** As they are in the table, for a query that `of` is to read from: `id, create_time`. */
  readonly bare: string;
  /** Only a type: what they are read into. */
  readonly row?: Row;
};

/**
 * Declares under which column of its table each field of a type is stored. The select lists of the type are
 * made from it, so that a field without a column does not compile, and none is forgotten in one of them.
 */
export function columns<Row>(stored: { readonly [Field in keyof Row]-?: string }): Columns<Row> {
  const entries = Object.entries<string>(stored);
  // PostgreSQL lowers what is not quoted.
  const quote = (field: string): string => (/[A-Z]/.test(field) ? `"${field}"` : field);
  return {
    of: (table) =>
      entries
        .map(([field, column]) => `${table}.${column}${field === column ? "" : ` as ${quote(field)}`}`)
        .join(", "),
    again: (table) => entries.map(([field]) => `${table}.${quote(field)}`).join(", "),
    bare: entries.map(([, column]) => column).join(", "),
  };
}
