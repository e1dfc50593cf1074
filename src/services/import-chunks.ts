import type { Call } from "../call.ts";
import { afterwards, createError, DomainError, shuttingDown, toServerError } from "../errors.ts";
import { nth } from "../lists.ts";
import { joined, toEntry, writeChunk, type Chunk, type RowKind } from "./chunks.ts";
import { createRowBuffer, type RowBuffer, type Entry } from "./row-buffer.ts";

/** What is imported. */
export type Import<Draft> = {
  readonly firstIndex: bigint;
  readonly stopOnError: boolean;
  /** Rows, or why one cannot be read. */
  readonly batches: AsyncIterable<Iterable<Draft | Error>>;
};

/** What a chunk that had to be halved grows by with each that is committed: in 30 chunks, not at once. */
const rowsGrowth = 32;
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
  const progress: Progress<Row> = { kind, call, flights, rowsMax: chunkMax.rowsMax, lastIndex: first - 1 };
  try {
    for (;;) {
      if (flights.length === 0) {
        const entries = await buffer.take({ ...chunkMax, rowsMax: progress.rowsMax });
        call.signal.throwIfAborted();
        if (call.draining.aborted) throw shuttingDown(progress.lastIndex);
        if (entries.length === 0) return;
        flights.push(depart(progress, entries));
      }
      const flight = nth(flights, 0);
      await joinFirst(progress, flight, buffer, most);
      const concluded = conclude(progress, flight);
      for await (const chunk of stopOnError ? joined(concluded) : concluded) {
        progress.lastIndex = chunk.lastIndex;
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

/** How far an import is. */
type Progress<Row> = {
  readonly kind: Pick<RowKind<never, Row>, "write" | "chunkMax">;
  readonly call: Call;
  /** The chunks that are being written, in their order. */
  readonly flights: Flight<Row>[];
  /** Of the next chunk. */
  rowsMax: number;
  /** Of the rows that were answered. */
  lastIndex: number;
};

/** Begins to write a chunk. */
function depart<Row>(
  { kind, call }: Progress<Row>,
  entries: readonly Entry<Row>[],
  deadlineMs = Math.min(call.deadlineMs, Date.now() + chunkMsMax),
): Flight<Row> {
  const locks = new Set(entries.flatMap((entry) => entry.locks));
  const written = call.working(
    writeChunk(kind, entries, { signal: call.signal, deadlineMs, holder: call.holder }),
  );
  // Its failure is heard where it is waited for, which it is not if one before it has failed.
  written.catch(() => {});
  return { entries, locks, written, deadlineMs };
}

/** Lets chunks, up to so many in all, join the first one for as long as that is being written. */
async function joinFirst<Row>(
  progress: Progress<Row>,
  { written }: Flight<Row>,
  buffer: RowBuffer<Row>,
  most: number,
): Promise<void> {
  const { kind, flights } = progress;
  const meetsNone = (entries: readonly Entry<Row>[]): boolean =>
    flights.every(({ locks }) => !entries.some((entry) => entry.locks.some((lock) => locks.has(lock))));
  const isOver = written.then(
    () => true,
    () => true,
  );
  while (flights.length < most) {
    const entries = buffer.takeWhole({ ...kind.chunkMax, rowsMax: progress.rowsMax }, meetsNone);
    if (entries.length > 0) flights.push(depart(progress, entries));
    else if (await Promise.race([isOver, buffer.changed()])) return;
  }
}

/** The chunk, or those that it had to be cut into. */
async function* conclude<Row>(
  progress: Progress<Row>,
  { entries, written, deadlineMs }: Flight<Row>,
): AsyncGenerator<Chunk> {
  const { kind, call } = progress;
  try {
    const chunk = await written;
    progress.rowsMax = Math.min(progress.rowsMax + rowsGrowth, kind.chunkMax.rowsMax);
    yield chunk;
  } catch (error) {
    if (entries.length === 1 || Date.now() >= deadlineMs || !isTooMuch(error, call)) throw error;
    const half = Math.ceil(entries.length / 2);
    progress.rowsMax = half;
    try {
      for (const part of [entries.slice(0, half), entries.slice(half)]) {
        if (call.draining.aborted) throw shuttingDown(progress.lastIndex);
        yield* conclude(progress, depart(progress, part, deadlineMs));
      }
    } catch (later) {
      throw isDoubtful(error) ? afterwards(later) : later;
    }
  }
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
