import type { Call } from "../call.ts";
import { afterwards, createError, DomainError, shuttingDown, toServerError } from "../errors.ts";
import { nth } from "../lists.ts";
import { merged, toEntry, writeChunk, type Chunk, type RowKind } from "./chunks.ts";
import { createRowBuffer, type RowBuffer, type Entry } from "./row-buffer.ts";

/** An import as its request describes it. */
export type Import<Draft> = {
  readonly firstIndex: bigint;
  readonly stopOnError: boolean;
  /** Batches of rows; an Error stands for a row that cannot be decoded. */
  readonly batches: AsyncIterable<Iterable<Draft | Error>>;
};

/** Rows by which a halved limit grows again with each commit: over 30 chunks, not at once. */
const rowsGrowth = 32;

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
  const progress: Progress<Row> = { kind, call, writes, rowsMax: chunkMax.rowsMax, lastIndex: first - 1 };
  try {
    for (;;) {
      if (writes.length === 0) {
        const entries = await buffer.take({ ...chunkMax, rowsMax: progress.rowsMax });
        call.signal.throwIfAborted();
        if (call.draining.aborted) throw shuttingDown(progress.lastIndex);
        if (entries.length === 0) return;
        writes.push(startWrite(progress, entries));
      }
      const write = nth(writes, 0);
      await joinFirst(progress, write, buffer, most);
      const concluded = conclude(progress, write);
      for await (const chunk of stopOnError ? merged(concluded) : concluded) {
        progress.lastIndex = chunk.lastIndex;
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

/** The progress of an import. */
type Progress<Row> = {
  readonly kind: Pick<RowKind<never, Row>, "write" | "chunkMax" | "chunkMsMax">;
  readonly call: Call;
  /** The writes in flight, in order. */
  readonly writes: ChunkWrite<Row>[];
  /** The most rows of the next chunk. */
  rowsMax: number;
  /** The index of the last row that was answered. */
  lastIndex: number;
};

function startWrite<Row>(
  { kind, call }: Progress<Row>,
  entries: readonly Entry<Row>[],
  deadlineMs = Math.min(call.deadlineMs, Date.now() + kind.chunkMsMax),
): ChunkWrite<Row> {
  const locks = new Set(entries.flatMap((entry) => entry.locks));
  const written = call.working(
    writeChunk(kind, entries, { signal: call.signal, deadlineMs, holder: call.holder }),
  );
  // Handled where it is awaited, which is not reached if an earlier one has failed.
  written.catch(() => {});
  return { entries, locks, written, deadlineMs };
}

/** Lets chunks, up to `most` in all, join while the first one is being written. */
async function joinFirst<Row>(
  progress: Progress<Row>,
  { written }: ChunkWrite<Row>,
  buffer: RowBuffer<Row>,
  most: number,
): Promise<void> {
  const { kind, writes } = progress;
  const meetsNone = (entries: readonly Entry<Row>[]): boolean =>
    writes.every(({ locks }) => !entries.some((entry) => entry.locks.some((lock) => locks.has(lock))));
  const isOver = written.then(
    () => true,
    () => true,
  );
  while (writes.length < most) {
    const entries = buffer.takeWhole({ ...kind.chunkMax, rowsMax: progress.rowsMax }, meetsNone);
    if (entries.length > 0) writes.push(startWrite(progress, entries));
    else if (await Promise.race([isOver, buffer.changed()])) return;
  }
}

/** Yields the chunk, or the parts that it had to be cut into. */
async function* conclude<Row>(
  progress: Progress<Row>,
  { entries, written, deadlineMs }: ChunkWrite<Row>,
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
        yield* conclude(progress, startWrite(progress, part, deadlineMs));
      }
    } catch (later) {
      throw isInDoubt(error) ? afterwards(later) : later;
    }
  }
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

function stopped(index: number): DomainError {
  return createError("STOPPED_ON_ERROR", `the import has ended because row ${index} was refused`, {
    metadata: { index: index.toString() },
  });
}
