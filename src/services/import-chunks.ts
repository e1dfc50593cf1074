import type { Call } from "../call.ts";
import { afterwards, createError, DomainError, shuttingDown, toServerError } from "../errors.ts";
import type { RowOutcome } from "../db/outcome.ts";
import type { Deadline } from "../db/engine/deadline.ts";
import { createRowBuffer, type Bounds, type Entry } from "./row-buffer.ts";

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

/** What is imported. */
export type Import<Draft> = {
  readonly firstIndex: bigint;
  readonly stopOnError: boolean;
  /** Rows, or why one cannot be read. */
  readonly batches: AsyncIterable<Iterable<Draft | Error>>;
};

/** What became of the rows of a chunk that has been committed. */
export type Chunk = {
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly insertedCount: number;
  readonly existingCount: number;
  readonly refused: readonly { readonly index: number; readonly error: DomainError }[];
};

/** What a chunk that had to be halved grows by with each that is committed: in 30 chunks, not at once. */
const rowsGrowth = 32;
/** A chunk that meets others on its rows is halved after so many attempts, an eighth of a second. */
const chunkAttemptsMax = 8;

/**
 * A chunk that is not committed by then is given up: a stream may have no deadline, and a database that does
 * not answer, or a row that stays locked, must not hold it for ever. As long as a call may take.
 */
const chunkMsMax = 60_000;

/**
 * Chunks under way at once: while the database writes one, the service prepares the next one and sends it,
 * which makes up for round trips and for the service's own work.
 */
const flightsMax = 2;

/** A chunk that is being written. */
type Flight<Row> = {
  readonly entries: readonly Entry<Row>[];
  readonly locks: ReadonlySet<string>;
  readonly written: Promise<Chunk>;
  /** When it is too late for the chunk, and for those that it is cut into. */
  readonly deadlineMs: number;
};

/**
 * Writes an import chunk by chunk and yields what became of each, in their order, when it has been committed.
 * A chunk is what is there when the last one was answered; a second one joins it when it is a whole one and
 * locks nothing of the first, unless an error is to stop the import. No transaction is open while the caller
 * takes an answer, but that of a chunk which is being written anyway, and rows are read ahead within bounds.
 *
 * A chunk that is too much for the database, or for those that it meets there, is halved: the ids of its rows
 * do not depend on how they are cut.
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
  const flights: Flight<Row>[] = [];
  const most = stopOnError ? 1 : flightsMax;
  let { rowsMax } = chunkMax;
  let lastIndex = first - 1;

  const depart = (
    entries: readonly Entry<Row>[],
    deadlineMs = Math.min(call.deadlineMs, Date.now() + chunkMsMax),
  ): Flight<Row> => {
    const locks = new Set(entries.flatMap((entry) => entry.locks));
    const written = call.working(
      writeChunk(kind, entries, { signal: call.signal, deadlineMs, holder: call.holder }),
    );
    // Its failure is heard where it is waited for, which it is not if one before it has failed.
    written.catch(() => {});
    return { entries, locks, written, deadlineMs };
  };
  const meetsNone = (entries: readonly Entry<Row>[]): boolean =>
    flights.every(({ locks }) => !entries.some((entry) => entry.locks.some((lock) => locks.has(lock))));

  /** Lets a second chunk join the first one for as long as that is being written. */
  async function joinFirst({ written }: Flight<Row>): Promise<void> {
    const isOver = written.then(
      () => true,
      () => true,
    );
    while (flights.length < most) {
      const entries = buffer.takeWhole({ ...chunkMax, rowsMax }, meetsNone);
      if (entries.length > 0) flights.push(depart(entries));
      else if (await Promise.race([isOver, buffer.changed()])) return;
    }
  }

  /** The chunk, or those that it had to be cut into. */
  async function* conclude({ entries, written, deadlineMs }: Flight<Row>): AsyncGenerator<Chunk> {
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
          yield* conclude(depart(half, deadlineMs));
        }
      } catch (later) {
        throw isDoubtful(error) ? afterwards(later) : later;
      }
    }
  }

  try {
    for (;;) {
      if (flights.length === 0) {
        const entries = await buffer.take({ ...chunkMax, rowsMax });
        call.signal.throwIfAborted();
        if (call.draining.aborted) throw shuttingDown(lastIndex);
        if (entries.length === 0) return;
        flights.push(depart(entries));
      }
      await joinFirst(flights[0]!);
      const concluded = conclude(flights[0]!);
      for await (const chunk of stopOnError ? joined(concluded) : concluded) {
        ({ lastIndex } = chunk);
        yield chunk;
        const [refused] = chunk.refused;
        if (stopOnError && refused) throw stopped(refused.index);
      }
      flights.shift();
    }
  } finally {
    // What is under way ends before the call does: a caller who resumes it must not meet it.
    await Promise.allSettled(flights.map(({ written }) => written));
  }
}

/**
 * What a chunk had to be cut into as one again. Before it was cut it may have been written as a whole: an
 * import that stops in its first half would leave rows of the second one without an answer.
 */
async function* joined(chunks: AsyncIterable<Chunk>): AsyncGenerator<Chunk> {
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
  { signal, deadlineMs, holder }: Pick<Deadline, "signal" | "deadlineMs" | "holder">,
): Promise<Chunk> {
  const good = entries.flatMap(({ row }) => (row instanceof DomainError ? [] : [row]));
  const deadline = { signal, deadlineMs, holder, ...(good.length > 1 && { attemptsMax: chunkAttemptsMax }) };
  const written = good.length === 0 ? [] : await write(deadline, good);
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

/** Whether a chunk did not happen, or not to its end, for a reason that may lie in its size. */
function isTooMuch(error: unknown, { signal }: Call): boolean {
  if (!(error instanceof DomainError)) return toServerError(error)?.code.startsWith("54") === true;
  // A statement that the database has stopped by itself also says that it was late. In a later round of the
  // chunk it did not happen either; what the rounds before have written, the smaller chunk finds.
  const { reason } = error.cause instanceof DomainError ? error.cause : error;
  return ["CONTENTION", "DATABASE_OVERLOADED", "DEADLINE_EXCEEDED"].includes(reason) && !signal.aborted;
}

/** Whether a chunk that failed may have been written. */
function isDoubtful(error: unknown): boolean {
  return error instanceof DomainError && error.kind === "outcome_unknown";
}

function stopped(index: number): DomainError {
  return createError("STOPPED_ON_ERROR", `the import has ended because row ${index} was refused`, {
    metadata: { index: index.toString() },
  });
}
