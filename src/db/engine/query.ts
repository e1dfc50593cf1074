import type pg from "pg";
import { serialize } from "pg-protocol";
import { type Column, createRowReader, type RowReader } from "./columns.ts";
import type { DataRow } from "./data-rows.ts";
import type { Statement } from "./statement.ts";

/** A statement and its parameters. */
export type Part<Row> = {
  readonly statement: Statement<Row>;
  readonly parameters: readonly (string | null)[];
};

/**
 * Runs statements in one round trip on a client that hears bytes, and returns the rows of each. The first
 * that fails ends them all.
 */
export function runStatements<Row>(client: pg.ClientBase, parts: readonly Part<Row>[]): Promise<Row[][]> {
  return new Promise<unknown[][]>((resolve, reject) => {
    client.query(new Query(parts, { resolve, reject }));
  }) as Promise<Row[][]>;
}

/** What node-postgres keeps of a connection without declaring all of it. */
type Connection = {
  readonly stream: NodeJS.WritableStream;
  readonly parsedStatements: Readonly<Record<string, string | undefined>>;
};

type Settle = {
  readonly resolve: (rows: unknown[][]) => void;
  readonly reject: (error: unknown) => void;
};

/** What reads the rows of the statements that were described on a connection, by their names. */
const readersOf = new WeakMap<Connection, Map<string, RowReader>>();

const describe = serialize.describe({ type: "P" });
const execute = serialize.execute();
const sync = serialize.sync();

/**
 * Prepared statements on their way, as node-postgres takes the queries of others. Apart from its own class it
 * asks for binary results, asks what they are once on each connection, since that cannot change for a
 * prepared statement, takes several statements, and leaves in one piece.
 */
class Query implements pg.Submittable {
  /** Nothing is to be called when it is settled. */
  readonly callback = (): void => {};
  readonly #parts: readonly Part<unknown>[];
  readonly #settle: Settle;
  /** The rows of each part, up to the one that is being answered. */
  readonly #results: unknown[][] = [[]];
  #readers: Map<string, RowReader> | undefined;
  #reader: RowReader | undefined;
  #failure: unknown;

  constructor(parts: readonly Part<unknown>[], settle: Settle) {
    this.#parts = parts;
    this.#settle = settle;
  }

  /** By which node-postgres notes that the statement which is being answered has been prepared. */
  get name(): string {
    return this.#answered.name;
  }

  get text(): string {
    return this.#answered.text;
  }

  get #answered(): Statement<unknown> {
    return this.#parts[this.#results.length - 1]!.statement;
  }

  submit(made: unknown): void {
    const connection = made as Connection;
    const { stream, parsedStatements } = connection;
    let readers = readersOf.get(connection);
    if (!readers) readersOf.set(connection, (readers = new Map()));
    this.#readers = readers;
    this.#reader = readers.get(this.name);
    const pieces: Buffer[] = [];
    const earlier = new Set<string>();
    for (const { statement, parameters } of this.#parts) {
      const { name, text } = statement;
      const isFirst = !earlier.has(name);
      earlier.add(name);
      if (isFirst && parsedStatements[name] === undefined) pieces.push(serialize.parse({ name, text }));
      pieces.push(serialize.bind({ statement: name, values: [...parameters], binary: true }));
      if (isFirst && !readers.has(name)) pieces.push(describe);
      pieces.push(execute);
    }
    pieces.push(sync);
    if (stream.writable) stream.write(Buffer.concat(pieces));
  }

  handleRowDescription({ fields }: { readonly fields: readonly Column[] }): void {
    this.#reader = createRowReader(fields);
    this.#readers?.set(this.name, this.#reader);
  }

  handleDataRow({ bytes, start }: DataRow): void {
    if (this.#failure !== undefined) return;
    try {
      this.#results.at(-1)!.push(this.#reader!(bytes, start));
    } catch (error) {
      // The rows behind it have to arrive as well.
      this.#failure = error;
    }
  }

  handleCommandComplete(): void {
    if (this.#results.length === this.#parts.length) return;
    this.#results.push([]);
    this.#reader = this.#readers?.get(this.name);
  }

  handleReadyForQuery(): void {
    if (this.#failure === undefined) this.#settle.resolve(this.#results);
    else this.#settle.reject(this.#failure);
  }

  handleError(error: unknown): void {
    this.#settle.reject(this.#failure ?? error);
  }
}
