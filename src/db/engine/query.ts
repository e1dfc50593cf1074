import type pg from "pg";
import { serialize } from "pg-protocol";
import { type Column, createRowReader, type RowReader } from "./columns.ts";
import type { DataRow } from "./data-rows.ts";
import type { Statement } from "./statement.ts";

/** Runs a statement on a client that hears bytes, and returns its rows. */
export function runStatement<Row>(
  client: pg.ClientBase,
  statement: Statement<Row>,
  values: readonly (string | null)[],
): Promise<Row[]> {
  return new Promise<unknown[]>((resolve, reject) => {
    client.query(new Query(statement, values, { resolve, reject }));
  }) as Promise<Row[]>;
}

/** What node-postgres keeps of a connection without declaring all of it. */
type Connection = {
  readonly stream: NodeJS.WritableStream;
  readonly parsedStatements: Readonly<Record<string, string | undefined>>;
};

type Settle = {
  readonly resolve: (rows: unknown[]) => void;
  readonly reject: (error: unknown) => void;
};

/** What reads the rows of the statements that were described on a connection, by their names. */
const readersOf = new WeakMap<Connection, Map<string, RowReader>>();

const describe = serialize.describe({ type: "P" });
const run = Buffer.concat([serialize.execute(), serialize.sync()]);

/**
 * A prepared statement on its way, as node-postgres takes the queries of others. Apart from its own class it
 * asks for binary results, asks what they are once on each connection, since that cannot change for a
 * prepared statement, and leaves in one piece.
 */
class Query implements pg.Submittable {
  /** By which node-postgres notes that it has been prepared. */
  readonly name: string;
  readonly text: string;
  /** Nothing is to be called when it is settled. */
  readonly callback = (): void => {};
  readonly #values: readonly (string | null)[];
  readonly #settle: Settle;
  readonly #rows: unknown[] = [];
  #readers: Map<string, RowReader> | undefined;
  #reader: RowReader | undefined;
  #failure: unknown;

  constructor({ name, text }: Statement<unknown>, values: readonly (string | null)[], settle: Settle) {
    this.name = name;
    this.text = text;
    this.#values = values;
    this.#settle = settle;
  }

  submit(made: unknown): void {
    const connection = made as Connection;
    const { stream, parsedStatements } = connection;
    const { name, text } = this;
    let readers = readersOf.get(connection);
    if (!readers) readersOf.set(connection, (readers = new Map()));
    this.#readers = readers;
    this.#reader = readers.get(name);
    const pieces = [serialize.bind({ statement: name, values: [...this.#values], binary: true })];
    if (parsedStatements[name] === undefined) pieces.unshift(serialize.parse({ name, text }));
    if (!this.#reader) pieces.push(describe);
    pieces.push(run);
    if (stream.writable) stream.write(Buffer.concat(pieces));
  }

  handleRowDescription({ fields }: { readonly fields: readonly Column[] }): void {
    this.#reader = createRowReader(fields);
    this.#readers?.set(this.name, this.#reader);
  }

  handleDataRow({ bytes, start }: DataRow): void {
    if (this.#failure !== undefined) return;
    try {
      this.#rows.push(this.#reader!(bytes, start));
    } catch (error) {
      // The rows behind it have to arrive as well.
      this.#failure = error;
    }
  }

  handleCommandComplete(): void {}

  handleReadyForQuery(): void {
    if (this.#failure === undefined) this.#settle.resolve(this.#rows);
    else this.#settle.reject(this.#failure);
  }

  handleError(error: unknown): void {
    this.#settle.reject(this.#failure ?? error);
  }
}
