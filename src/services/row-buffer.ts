import { setImmediate as nextTurn } from "node:timers/promises";
import type { DomainError } from "../errors.ts";
import { nth } from "../lists.ts";

/** A row of an import: its index, and its content or the error of an invalid one. */
export type Entry<Row> = {
  readonly index: number;
  readonly row: Row | DomainError;
  readonly weight: number;
  /** The keys of what the database locks for it. */
  readonly locks: readonly string[];
};

/** The most that the buffer holds, or that is taken at once; a single row may weigh more. */
export type Bounds = { readonly rowsMax: number; readonly weightMax: number };

/** Rows that were read and wait to be written. */
export type RowBuffer<Row> = {
  /**
   * Takes the first rows, within bounds, as soon as there are any; none at the end of the import or when
   * `signal` aborts. If rows remain, the cut is between two rows without a common lock, if the second half
   * has such a place. Throws the error that ended the reading after the rows before it were taken.
   */
  take(bounds: Bounds): Promise<Entry<Row>[]>;
  /**
   * Takes the first rows if the buffer is full or holds all that remain, and `accepts` returns true for them.
   */
  takeWhole(bounds: Bounds, accepts: (entries: readonly Entry<Row>[]) => boolean): Entry<Row>[];
  /** Resolves when takeWhole() may return something else. */
  changed(): Promise<void>;
  /** Stops reading. */
  [Symbol.dispose](): void;
};

/** Rows parsed in one turn of the event loop, some 25 µs each. */
const turnRows = 128;

/**
 * Reads rows ahead while earlier ones are written, until the bounds are reached; then it stops reading, and
 * the transport holds back the sender. It also holds one undecoded batch beyond the bounds.
 */
export function createRowBuffer<Draft, Row>(
  batches: AsyncIterable<Iterable<Draft>>,
  parse: (draft: Draft, position: number) => Entry<Row>,
  bounds: Bounds,
  signal: AbortSignal,
): RowBuffer<Row> {
  const rows = createReadRows<Row>(bounds);
  // Whether another row follows those.
  let more = false;
  // Read through functions, because it changes during an await.
  let state: "reading" | "ended" | "stopped" = "reading";
  const isReading = (): boolean => state === "reading";
  const isStopped = (): boolean => state === "stopped";
  let failure: { readonly error: unknown } | undefined;
  signal.addEventListener("abort", rows.change, { once: true });

  async function read(): Promise<void> {
    let position = 0;
    for await (const batch of batches) {
      for (const draft of batch) {
        more = true;
        if (rows.isFull()) rows.change();
        while (rows.isFull() && !isStopped()) await rows.changed();
        if (position > 0 && position % turnRows === 0) {
          rows.change();
          await nextTurn();
        }
        if (isStopped()) return;
        rows.add(parse(draft, position++));
      }
      more = false;
      rows.change();
    }
    state = "ended";
  }

  read()
    .catch((error: unknown) => {
      failure = { error };
      state = "ended";
    })
    .finally(() => {
      more = false;
      rows.change();
    });

  return {
    async take(wanted) {
      while (rows.isEmpty() && isReading() && !signal.aborted) await rows.changed();
      // After an abort, the failure is only its consequence.
      if (rows.isEmpty() && failure && !signal.aborted) throw failure.error;
      return rows.remove(rows.chooseCut(wanted, more));
    },
    takeWhole(wanted, accepts) {
      const isWhole = rows.isFull() || (!isReading() && !rows.isEmpty());
      const cut = isWhole && !signal.aborted ? rows.chooseCut(wanted, more) : 0;
      return cut > 0 && accepts(rows.first(cut)) ? rows.remove(cut) : [];
    },
    changed: rows.changed,
    [Symbol.dispose]() {
      state = "stopped";
      signal.removeEventListener("abort", rows.change);
      rows.change();
    },
  };
}

/** Creates the list of rows that were read and not taken, with a signal of its changes. */
function createReadRows<Row>(bounds: Bounds) {
  let entries: Entry<Row>[] = [];
  let weight = 0;
  let changed = Promise.withResolvers<void>();
  const change = (): void => {
    changed.resolve();
    changed = Promise.withResolvers();
  };
  return {
    isEmpty: (): boolean => entries.length === 0,
    isFull: (): boolean => entries.length >= bounds.rowsMax || weight >= bounds.weightMax,
    add(entry: Entry<Row>): void {
      entries.push(entry);
      weight += entry.weight;
    },
    /** Returns how many to take within bounds; `more` says whether a row follows the last one. */
    chooseCut: (wanted: Bounds, more: boolean): number => findSplit(entries, findCut(entries, wanted), more),
    first: (count: number): Entry<Row>[] => entries.slice(0, count),
    remove(count: number): Entry<Row>[] {
      const first = entries.slice(0, count);
      entries = entries.slice(count);
      weight -= first.reduce((sum, each) => sum + each.weight, 0);
      change();
      return first;
    },
    change,
    changed: (): Promise<void> => changed.promise,
  };
}

/** Returns how many of the first entries are within bounds. */
function findCut(entries: readonly Entry<unknown>[], { rowsMax, weightMax }: Bounds): number {
  let cut = 0;
  for (let sum = 0; cut < Math.min(rowsMax, entries.length); cut++) {
    sum += nth(entries, cut).weight;
    if (cut > 0 && sum > weightMax) break;
  }
  return cut;
}

/**
 * Returns the last place up to `cut`, but not before its half, where the rows on both sides have no lock in
 * common, so that the later rows need not wait for the earlier ones. If `more` rows follow, the next one may
 * have any lock.
 */
function findSplit(entries: readonly Entry<unknown>[], cut: number, more: boolean): number {
  for (let at = cut; at > cut / 2; at--) {
    const [before, after] = [nth(entries, at - 1), entries[at]];
    const isSplit = after ? !after.locks.some((lock) => before.locks.includes(lock)) : !more;
    if (isSplit || before.locks.length === 0) return at;
  }
  return cut;
}
