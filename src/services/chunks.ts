import type { Deadline } from "../db/engine/deadline.ts";
import type { RowOutcome } from "../db/outcome.ts";
import { afterwards, DomainError } from "../errors.ts";
import { last, nth } from "../lists.ts";
import type { Bounds, Entry } from "./row-buffer.ts";

/** How the rows of an import are read and written. */
export type RowKind<Draft, Row> = {
  /** What a chunk holds at most. */
  readonly chunkMax: Bounds;
  /** Throws a DomainError for a row that is wrong. The index is the row's within the import. */
  readonly parse: (draft: Draft, index: number) => Row;
  /** Lines that the row writes. */
  readonly weigh: (row: Row) => number;
  /** What the database locks for the row. Chunks that share a lock are written one after the other. */
  readonly locksOf: (row: Row) => readonly string[];
  /** Writes rows in a transaction, with an outcome for each in their order. */
  readonly write: (deadline: Deadline, rows: readonly Row[]) => Promise<RowOutcome[]>;
};

/** What became of the rows of a chunk that has been committed. */
export type Chunk = {
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly insertedCount: number;
  readonly existingCount: number;
  readonly refused: readonly { readonly index: number; readonly error: DomainError }[];
};

/** A chunk that meets others on its rows is halved after so many attempts, an eighth of a second. */
const chunkAttemptsMax = 8;

/**
 * What a chunk had to be cut into as one again. Before it was cut it may have been written as a whole: an
 * import that stops in its first half would leave rows of the second one without an answer.
 */
export async function* joined(chunks: AsyncIterable<Chunk>): AsyncGenerator<Chunk> {
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

/** A row of an import as it waits to be written, or why it is wrong. */
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

/** Writes the sound rows of a chunk, and says what became of each row. */
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
