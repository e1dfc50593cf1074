import type { Call } from "../call.ts";
import { afterwards, DomainError, toServerError } from "../errors.ts";
import type { RowOutcome } from "../db/outcome.ts";
import type { Budget } from "../db/engine/retry.ts";
import { createRowBuffer, type Bounds, type Entry } from "./row-buffer.ts";

/** How the rows of an import are parsed and written. */
export type RowKind<Draft, Row> = {
  /** The largest chunk. */
  readonly chunkMax: Bounds;
  /** Throws a DomainError for an invalid row. `index` is the row's within the import. */
  readonly parse: (draft: Draft, index: number) => Row;
  /** The number of lines that the row writes. */
  readonly weigh: (row: Row) => number;
  /** The keys that the database locks for the row. Chunks with a common key are written one by one. */
  readonly locksOf: (row: Row) => readonly string[];
  /** Writes rows in one transaction and returns their outcomes in order. */
  readonly write: (budget: Budget, rows: readonly Row[]) => Promise<RowOutcome[]>;
};

/** An import as its request describes it. */
export type Import<Draft> = {
  readonly firstIndex: bigint;
  readonly stopOnError: boolean;
  /** Batches of rows; an Error stands for a row that cannot be decoded. */
  readonly batches: AsyncIterable<Iterable<Draft | Error>>;
};

/** The outcome of a committed chunk. */
export type Chunk = {
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly insertedCount: number;
  readonly existingCount: number;
  readonly refused: readonly { readonly index: number; readonly error: DomainError }[];
};

/** Rows by which a halved limit grows again with each commit: over 30 chunks, not at once. */
const rowsGrowth = 32;
/** Attempts after which a chunk in conflict is halved: an eighth of a second. */
const chunkAttemptsMax = 8;

/**
 * The time limit of a chunk: a stream may have no deadline, and must not be held forever by a database that
 * does not answer or a row that stays locked. As long as a call may take.
 */
const chunkMsMax = 60_000;

/**
 * Chunk writes in flight: while the database writes one, the service prepares and sends the next one, which
 * hides round trips and the service's own work.
 */
const writesMax = 2;

/** A chunk whose write is in flight. */
type ChunkWrite<Row> = {
  readonly entries: readonly Entry<Row>[];
  readonly locks: ReadonlySet<string>;
  readonly written: Promise<Chunk>;
  /** The deadline of the chunk, and of its halves. */
  readonly deadlineMs: number;
};

/**
 * Writes an import chunk by chunk and yields each outcome in order, once it is committed. A chunk takes the
 * rows that are there when the last one was answered. A second chunk joins if it is full and shares no lock
 * with the first, unless an error is to stop the import. While the caller reads an answer, only a chunk that
 * is being written anyway has a transaction. Rows are read ahead within bounds.
 *
 * A chunk that is too large for the database, or conflicts with others, is halved: the ids of rows do not
 * depend on how they are cut into chunks.
 */
export async function* importChunks<Draft, Row>(
  kind: RowKind<Draft, Row>,
  { firstIndex, stopOnError, batches }: Import<Draft>,
  call: Call,
): AsyncGenerator<Chunk, void> {
  const wake = AbortSignal.any([call.signal, call.draining]);
  const first = Number(firstIndex);
  const { chunkMax } = kind;
  using buffer = createRowBuffer(batches, (draft, n) => toEntry(kind, draft, first + n), chunkMax, wake);
  const writes: ChunkWrite<Row>[] = [];
  const most = stopOnError ? 1 : writesMax;
  let { rowsMax } = chunkMax;
  let lastIndex = first - 1;

  const startWrite = (
    entries: readonly Entry<Row>[],
    deadlineMs = Math.min(call.deadlineMs, Date.now() + chunkMsMax),
  ): ChunkWrite<Row> => {
    const locks = new Set(entries.flatMap((entry) => entry.locks));
    const written = call.working(
      writeChunk(kind, entries, { signal: call.signal, deadlineMs, holder: call.holder }),
    );
    // Handled where it is awaited, which is not reached if an earlier one has failed.
    written.catch(() => {});
    return { entries, locks, written, deadlineMs };
  };
  const meetsNone = (entries: readonly Entry<Row>[]): boolean =>
    writes.every(({ locks }) => !entries.some((entry) => entry.locks.some((lock) => locks.has(lock))));

  /** Lets a second chunk join while the first one is being written. */
  async function joinFirst({ written }: ChunkWrite<Row>): Promise<void> {
    const isOver = written.then(
      () => true,
      () => true,
    );
    while (writes.length < most) {
      const entries = buffer.takeWhole({ ...chunkMax, rowsMax }, meetsNone);
      if (entries.length > 0) writes.push(startWrite(entries));
      else if (await Promise.race([isOver, buffer.changed()])) return;
    }
  }

  /** Yields the chunk, or the parts that it had to be cut into. */
  async function* conclude({ entries, written, deadlineMs }: ChunkWrite<Row>): AsyncGenerator<Chunk> {
    try {
      const chunk = await written;
      rowsMax = Math.min(rowsMax + rowsGrowth, chunkMax.rowsMax);
      yield chunk;
    } catch (error) {
      if (entries.length === 1 || Date.now() >= deadlineMs || !isTooMuch(error, call)) throw error;
      rowsMax = Math.ceil(entries.length / 2);
      try {
        for (const half of [entries.slice(0, rowsMax), entries.slice(rowsMax)]) {
          if (call.draining.aborted) throw shuttingDown(lastIndex);
          yield* conclude(startWrite(half, deadlineMs));
        }
      } catch (later) {
        throw isInDoubt(error) ? afterwards(later) : later;
      }
    }
  }

  try {
    for (;;) {
      if (writes.length === 0) {
        const entries = await buffer.take({ ...chunkMax, rowsMax });
        call.signal.throwIfAborted();
        if (call.draining.aborted) throw shuttingDown(lastIndex);
        if (entries.length === 0) return;
        writes.push(startWrite(entries));
      }
      await joinFirst(writes[0]!);
      const concluded = conclude(writes[0]!);
      for await (const chunk of stopOnError ? merged(concluded) : concluded) {
        ({ lastIndex } = chunk);
        yield chunk;
        const [refused] = chunk.refused;
        if (stopOnError && refused) throw stopped(refused.index);
      }
      writes.shift();
    }
  } finally {
    // Writes in flight end before the call does, so that they do not overlap with the resumed import.
    await Promise.allSettled(writes.map(({ written }) => written));
  }
}

/**
 * Merges the parts of a chunk that was cut into one answer. The chunk may have been written as a whole
 * before: stopping in its first half would leave rows of the second half without an answer.
 */
async function* merged(chunks: AsyncIterable<Chunk>): AsyncGenerator<Chunk> {
  const parts: Chunk[] = [];
  try {
    for await (const chunk of chunks) parts.push(chunk);
  } catch (error) {
    throw parts.length > 0 ? afterwards(error) : error;
  }
  const sum = (count: (chunk: Chunk) => number): number => parts.reduce((all, each) => all + count(each), 0);
  yield {
    firstIndex: parts[0]!.firstIndex,
    lastIndex: parts.at(-1)!.lastIndex,
    insertedCount: sum(({ insertedCount }) => insertedCount),
    existingCount: sum(({ existingCount }) => existingCount),
    refused: parts.flatMap(({ refused }) => refused),
  };
}

function toEntry<Draft, Row>(kind: RowKind<Draft, Row>, draft: Draft | Error, index: number): Entry<Row> {
  try {
    if (draft instanceof Error) throw draft;
    const row = kind.parse(draft, index);
    return { index, row, weight: kind.weigh(row), locks: kind.locksOf(row) };
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    return { index, row: error, weight: 1, locks: [] };
  }
}

async function writeChunk<Row>(
  { write }: Pick<RowKind<never, Row>, "write">,
  entries: readonly Entry<Row>[],
  { signal, deadlineMs, holder }: Pick<Budget, "signal" | "deadlineMs" | "holder">,
): Promise<Chunk> {
  const good = entries.flatMap(({ row }) => (row instanceof DomainError ? [] : [row]));
  const budget = { signal, deadlineMs, holder, ...(good.length > 1 && { attemptsMax: chunkAttemptsMax }) };
  const written = good.length === 0 ? [] : await write(budget, good);
  let next = 0;
  const outcomes = entries.map(({ row, index }) => ({
    index,
    outcome: row instanceof DomainError ? row : written[next++]!,
  }));
  const count = (wanted: RowOutcome): number => outcomes.filter(({ outcome }) => outcome === wanted).length;
  return {
    firstIndex: entries[0]!.index,
    lastIndex: entries.at(-1)!.index,
    insertedCount: count("inserted"),
    existingCount: count("existed"),
    refused: outcomes.flatMap(({ index, outcome }) =>
      outcome instanceof DomainError ? [{ index, error: outcome }] : [],
    ),
  };
}

/** Whether a chunk failed, or may have, for a reason that may lie in its size. */
function isTooMuch(error: unknown, { signal }: Call): boolean {
  if (!(error instanceof DomainError)) return toServerError(error)?.code.startsWith("54") === true;
  // DEADLINE_EXCEEDED also stands for a statement that the database cancelled. In a re-run the chunk did not
  // happen either, and the smaller chunk finds what earlier runs have written.
  const { reason } = error.cause instanceof DomainError ? error.cause : error;
  return ["CONTENTION", "DATABASE_OVERLOADED", "DEADLINE_EXCEEDED"].includes(reason) && !signal.aborted;
}

/** Whether a chunk that failed may have been written. */
function isInDoubt(error: unknown): boolean {
  return error instanceof DomainError && error.kind === "outcome_unknown";
}

function shuttingDown(lastIndex: number): DomainError {
  return new DomainError(
    "unavailable",
    "SHUTTING_DOWN",
    `the server is shutting down; resume the import behind index ${lastIndex}`,
    { retryAfterMs: 0, metadata: { last_index: lastIndex.toString() } },
  );
}

function stopped(index: number): DomainError {
  return new DomainError(
    "aborted",
    "STOPPED_ON_ERROR",
    `the import has ended because row ${index} was refused`,
    {
      metadata: { index: index.toString() },
    },
  );
}
