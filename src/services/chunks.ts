import type { Deadline } from "../db/engine/deadline.ts";
import type { RowOutcome } from "../db/outcome.ts";
import { afterwards, DomainError } from "../errors.ts";
import { last, nth } from "../lists.ts";
import type { Bounds, Entry } from "./row-buffer.ts";

/** How the rows of an import are parsed and written. */
export type RowKind<Draft, Row> = {
  /** The largest chunk. */
  readonly chunkMax: Bounds;
  /**
   * The time limit of a chunk, in milliseconds: a stream may have no deadline, and must not be held forever
   * by a database that does not answer or a row that stays locked.
   */
  readonly chunkMsMax: number;
  /** Throws a DomainError for an invalid row. `index` is the row's within the import. */
  readonly parse: (draft: Draft, index: number) => Row;
  /** The number of lines that the row writes. */
  readonly weigh: (row: Row) => number;
  /** The keys that the database locks for the row. Chunks with a common key are written one by one. */
  readonly locksOf: (row: Row) => readonly string[];
  /** Writes rows in one transaction and returns their outcomes in order. */
  readonly write: (deadline: Deadline, rows: readonly Row[]) => Promise<RowOutcome[]>;
};

/** The outcome of a committed chunk. */
export type Chunk = {
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly insertedCount: number;
  readonly existingCount: number;
  readonly refused: readonly { readonly index: number; readonly error: DomainError }[];
};

/** Attempts after which a chunk in conflict is halved: an eighth of a second. */
const chunkAttemptsMax = 8;

/**
 * Merges the parts of a chunk that was cut into one answer. The chunk may have been written as a whole
 * before: stopping in its first half would leave rows of the second half without an answer.
 */
export async function* merged(chunks: AsyncIterable<Chunk>): AsyncGenerator<Chunk> {
  const parts: Chunk[] = [];
  try {
    for await (const chunk of chunks) parts.push(chunk);
  } catch (error) {
    throw parts.length > 0 ? afterwards(error) : error;
  }
  const sum = (count: (chunk: Chunk) => number): number => parts.reduce((all, each) => all + count(each), 0);
  yield {
    firstIndex: nth(parts, 0).firstIndex,
    lastIndex: last(parts).lastIndex,
    insertedCount: sum(({ insertedCount }) => insertedCount),
    existingCount: sum(({ existingCount }) => existingCount),
    refused: parts.flatMap(({ refused }) => refused),
  };
}

/** Parses a row of an import into an entry to be written, or one with the error of an invalid row. */
export function toEntry<Draft, Row>(
  kind: RowKind<Draft, Row>,
  draft: Draft | Error,
  index: number,
): Entry<Row> {
  try {
    if (draft instanceof Error) throw draft;
    const row = kind.parse(draft, index);
    return { index, row, weight: kind.weigh(row), locks: kind.locksOf(row) };
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    return { index, row: error, weight: 1, locks: [] };
  }
}

/** Writes the valid rows of a chunk and returns the outcome of each row. */
export async function writeChunk<Row>(
  { write }: Pick<RowKind<never, Row>, "write">,
  entries: readonly Entry<Row>[],
  { signal, deadlineMs, holder }: Pick<Deadline, "signal" | "deadlineMs" | "holder">,
): Promise<Chunk> {
  const good = entries.flatMap(({ row }) => (row instanceof DomainError ? [] : [row]));
  const deadline = { signal, deadlineMs, holder, ...(good.length > 1 && { attemptsMax: chunkAttemptsMax }) };
  const written = good.length === 0 ? [] : await write(deadline, good);
  let next = 0;
  const outcomes = entries.map(({ row, index }) => ({
    index,
    outcome: row instanceof DomainError ? row : nth(written, next++),
  }));
  const count = (wanted: RowOutcome): number => outcomes.filter(({ outcome }) => outcome === wanted).length;
  return {
    firstIndex: nth(entries, 0).index,
    lastIndex: last(entries).index,
    insertedCount: count("inserted"),
    existingCount: count("existed"),
    refused: outcomes.flatMap(({ index, outcome }) =>
      outcome instanceof DomainError ? [{ index, error: outcome }] : [],
    ),
  };
}
