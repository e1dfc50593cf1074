import type { Call } from "../../src/call.ts";
import { DomainError } from "../../src/errors.ts";
import type { RowOutcome } from "../../src/db/outcome.ts";
import type { Deadline } from "../../src/db/engine/deadline.ts";
import type { Chunk, RowKind } from "../../src/services/chunks.ts";
import { importChunks } from "../../src/services/import-chunks.ts";
import { settle } from "./batchers.ts";

/** A row is a number, and locks what stands before its last digit. */
export type Written = {
  readonly rows: readonly number[];
  readonly deadline: Deadline;
  answer(outcomes?: readonly RowOutcome[]): void;
  fail(error: unknown): void;
};

export const refused = new DomainError("USER_NOT_FOUND", "no user");
export const contended = new DomainError("CONTENTION", "too many");

/** An import of rows in chunks of at most four, which a test answers in the order in which they were sent. */
export function openImport(
  rows: readonly number[],
  { stopOnError = false, call = {} }: { stopOnError?: boolean; call?: Partial<Call> } = {},
) {
  const sent: Written[] = [];
  const [signal, draining] = [new AbortController(), new AbortController()];
  let working = 0;
  const kind: RowKind<number, number> = {
    chunkMax: { rowsMax: 4, weightMax: 100 },
    chunkMsMax: 60_000,
    parse: (row) => row,
    weigh: () => 1,
    locksOf: (row) => [String(Math.floor(row / 10))],
    write: (deadline, chunk) => {
      const { promise, resolve, reject } = Promise.withResolvers<RowOutcome[]>();
      const answer = (outcomes = chunk.map((): RowOutcome => "inserted")): void => resolve([...outcomes]);
      sent.push({ rows: chunk, deadline, answer, fail: reject });
      return promise;
    },
  };
  async function* batches() {
    yield rows;
  }
  const own = {
    signal: signal.signal,
    draining: draining.signal,
    deadlineMs: Infinity,
    holder: "ada",
    working: <T>(work: Promise<T>) => (working++, work),
    ...call,
  } as unknown as Call;
  const chunks: Chunk[] = [];
  const read = async (): Promise<void> => {
    const source = importChunks(kind, { firstIndex: 100n, stopOnError, batches: batches() }, own);
    for await (const chunk of source) chunks.push(chunk);
  };
  let over = false;
  const isOver = (): boolean => over;
  const error = read()
    .then(
      () => "it did not fail",
      (thrown: unknown) => thrown,
    )
    .finally(() => (over = true));
  /** What the import ends with when whatever else it sends is answered. */
  const end = async (): Promise<unknown> => {
    for (let turn = 0; !isOver() && turn < 20; turn++) {
      for (const each of sent) each.answer();
      await settle();
    }
    return error;
  };
  return { sent, chunks, end, signal, draining, isOver, worked: () => working };
}

/** What the chunks held that were sent so far. */
export const rowsOf = (sent: readonly Written[]): (readonly number[])[] => sent.map(({ rows }) => rows);

/** Four rows of a lock each, the first 10, the others 20 and so on. */
export const apart = (chunks: number): number[] =>
  Array.from({ length: 4 * chunks }, (_, n) => 10 * (1 + Math.floor(n / 4)) + (n % 4));
