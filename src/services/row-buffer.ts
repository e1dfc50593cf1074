import { setImmediate as nextTurn } from "node:timers/promises";
import type { DomainError } from "../errors.ts";
import { nth } from "../lists.ts";

/** A row of an import: its index, and what it asks for or why that is wrong. */
export type Entry<Row> = {
  readonly index: number;
  readonly row: Row | DomainError;
  readonly weight: number;
  /** What the database locks for it. */
  readonly locks: readonly string[];
};

/** How much the buffer holds, and how much is taken from it at once; one row may weigh more by itself. */
export type Bounds = { readonly rowsMax: number; readonly weightMax: number };

/** Rows that were read and wait to be written. */
export type RowBuffer<Row> = {
  /**
   * The first rows, within bounds, as soon as there are any; none at the end of the import or when `signal`
   * aborts. Where rows are left, they are cut between two that lock nothing in common, if there are such in
   * the second half. Throws what reading has failed with when the rows before are taken.
   */
  take(bounds: Bounds): Promise<Entry<Row>[]>;
  /** The first rows, if the buffer is full or holds all that are left, and if `accepts` says so. */
  takeWhole(bounds: Bounds, accepts: (entries: readonly Entry<Row>[]) => boolean): Entry<Row>[];
  /** Resolves when takeWhole() may have another answer. */
  changed(): Promise<void>;
  /** Stops the reading. */
  [Symbol.dispose](): void;
};

/** Rows are parsed in the event loop, some 25 µs each: after so many, others have their turn. */
const turnRows = 128;

/**
 * Reads rows ahead, while those before are written, until the bounds are reached; then it stops to read, and
 * the sender is held back by the transport. It holds one batch beyond the bounds, as it came.
 */
export function createRowBuffer<Draft, Row>(
  batches: AsyncIterable<Iterable<Draft>>,
  parse: (draft: Draft, position: number) => Entry<Row>,
  bounds: Bounds,
  signal: AbortSignal,
): RowBuffer<Row> {
  const rows = createReadRows<Row>(bounds);
  // Whether a row is at hand that comes behind those.
  let more = false;
  // Functions, because they change while somebody waits.
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
      // After an abort it is the abort that has ended the reading.
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

/** The rows of a buffer, and word of what becomes of it. */
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
    /** How many to take within bounds; `more` says whether a row comes behind the last one. */
    chooseCut: (wanted: Bounds, more: boolean): number => findSeam(entries, findCut(entries, wanted), more),
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

/** How many of the first entries are within bounds. */
function findCut(entries: readonly Entry<unknown>[], { rowsMax, weightMax }: Bounds): number {
  let cut = 0;
  for (let sum = 0; cut < Math.min(rowsMax, entries.length); cut++) {
    sum += nth(entries, cut).weight;
    if (cut > 0 && sum > weightMax) break;
  }
  return cut;
}

/**
 * The last place up to a cut, but not before its half, where the rows on both sides have no lock in common:
 * what is behind it need not wait for what is before. With `more` at hand, the next row may have any lock.
 */
function findSeam(entries: readonly Entry<unknown>[], cut: number, more: boolean): number {
  for (let at = cut; at > cut / 2; at--) {
    const [before, after] = [nth(entries, at - 1), entries[at]];
    const isSeam = after ? !after.locks.some((lock) => before.locks.includes(lock)) : !more;
    if (isSeam || before.locks.length === 0) return at;
  }
  return cut;
}
