import { expect, test } from "vitest";
import type { Call } from "../src/call.ts";
import { databaseAway, DomainError, outcomeUnknown } from "../src/db/errors.ts";
import type { RowOutcome } from "../src/db/outcome.ts";
import type { Budget } from "../src/db/retry.ts";
import { importChunks, type Chunk, type RowKind } from "../src/services/import-chunks.ts";
import { serverError } from "./support/failures.ts";
import { settle } from "./support/lanes.ts";

/** A row is a number, and locks what stands before its last digit. */
type Written = {
  readonly rows: readonly number[];
  readonly budget: Budget;
  answer(outcomes?: readonly RowOutcome[]): void;
  fail(error: unknown): void;
};

const refused = new DomainError("not_found", "USER_NOT_FOUND", "no user");
const contended = new DomainError("unavailable", "CONTENTION", "too many");

/** An import of rows in chunks of at most four, which a test answers in the order in which they were sent. */
function open(
  rows: readonly number[],
  { stopOnError = false, call = {} }: { stopOnError?: boolean; call?: Partial<Call> } = {},
) {
  const sent: Written[] = [];
  const [signal, draining] = [new AbortController(), new AbortController()];
  let working = 0;
  const kind: RowKind<number, number> = {
    chunkMax: { rowsMax: 4, weightMax: 100 },
    parse: (row) => row,
    weigh: () => 1,
    locksOf: (row) => [String(Math.floor(row / 10))],
    write: (budget, chunk) => {
      const { promise, resolve, reject } = Promise.withResolvers<RowOutcome[]>();
      const answer = (outcomes = chunk.map((): RowOutcome => "inserted")): void => resolve([...outcomes]);
      sent.push({ rows: chunk, budget, answer, fail: reject });
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
const rowsOf = (sent: readonly Written[]): (readonly number[])[] => sent.map(({ rows }) => rows);

/** Four rows of a lock each, the first 10, the others 20 and so on. */
const apart = (chunks: number): number[] =>
  Array.from({ length: 4 * chunks }, (_, n) => 10 * (1 + Math.floor(n / 4)) + (n % 4));

test("a second chunk joins the first one where it locks nothing of it, and a third one waits", async () => {
  const { sent, chunks, end, worked } = open(apart(3));
  await settle();

  const together = rowsOf(sent);
  sent[1]!.answer();
  await settle();
  const waiting = sent.length;
  sent[0]!.answer();
  await settle();
  sent[2]!.answer();

  expect(await end()).toBe("it did not fail");
  expect(together).toEqual([
    [10, 11, 12, 13],
    [20, 21, 22, 23],
  ]);
  expect(waiting).toBe(2);
  expect(
    chunks.map(({ firstIndex, lastIndex, insertedCount }) => [firstIndex, lastIndex, insertedCount]),
  ).toEqual([
    [100, 103, 4],
    [104, 107, 4],
    [108, 111, 4],
  ]);
  expect(worked()).toBe(3);
});

test("a chunk that locks what is under way waits", async () => {
  const { sent, end } = open([10, 11, 12, 13, 14, 15]);
  await settle();

  const before = sent.length;
  sent[0]!.answer();
  await settle();
  sent[1]!.answer();

  expect(await end()).toBe("it did not fail");
  expect([before, rowsOf(sent)]).toEqual([
    1,
    [
      [10, 11, 12, 13],
      [14, 15],
    ],
  ]);
});

test("where an error is to stop the import, no chunk is sent beside the one that may have it", async () => {
  const { sent, chunks, end } = open(apart(2), { stopOnError: true });
  await settle();

  const before = sent.length;
  sent[0]!.answer(["inserted", refused, "inserted", "existed"]);

  expect(await end()).toMatchObject({ reason: "STOPPED_ON_ERROR", facts: { metadata: { index: "101" } } });
  expect([before, sent.length]).toEqual([1, 1]);
  expect(chunks).toEqual([
    {
      firstIndex: 100,
      lastIndex: 103,
      insertedCount: 2,
      existingCount: 1,
      refused: [{ index: 101, error: refused }],
    },
  ]);
});

test("without that an import goes on after a refused row", async () => {
  const { sent, chunks, end } = open(apart(1));
  await settle();

  sent[0]!.answer(["inserted", refused, "inserted", "existed"]);

  expect(await end()).toBe("it did not fail");
  expect(chunks).toHaveLength(1);
});

test("an import ends when all has ended that is under way", async () => {
  const { sent, end, isOver } = open(apart(2));
  await settle();

  sent[0]!.fail(databaseAway(undefined));
  await settle();
  const before = isOver();
  sent[1]!.answer();

  expect(await end()).toMatchObject({ reason: "DATABASE_UNAVAILABLE" });
  expect(before).toBe(false);
});

test("a drain ends an import between chunks, with the last index that was answered", async () => {
  const { sent, end, draining } = open(apart(3));
  await settle();

  draining.abort();
  sent[0]!.answer();
  sent[1]!.answer();

  expect(await end()).toMatchObject({ reason: "SHUTTING_DOWN", facts: { metadata: { last_index: "107" } } });
  expect(sent).toHaveLength(2);
});

test("a drain ends an import between the halves of a chunk", async () => {
  const { sent, end, draining } = open(apart(1));
  await settle();
  sent[0]!.fail(contended);
  await settle();

  draining.abort();
  sent[1]!.answer();

  expect(await end()).toMatchObject({ reason: "SHUTTING_DOWN", facts: { metadata: { last_index: "101" } } });
  expect(rowsOf(sent)).toEqual([
    [10, 11, 12, 13],
    [10, 11],
  ]);
});

test("a caller that leaves between chunks hears the reason of its signal", async () => {
  const { sent, end, signal } = open([10, 11, 12, 13, 14]);
  await settle();

  signal.abort(new Error("left"));
  sent[0]!.answer();

  expect(await end()).toEqual(new Error("left"));
});

test.each([
  ["that meets others on its rows", contended],
  ["for which the database has no room", new DomainError("exhausted", "DATABASE_OVERLOADED", "no room")],
  [
    "that the database stopped as too late",
    new DomainError("deadline_exceeded", "DEADLINE_EXCEEDED", "late"),
  ],
  ["that is too large for the database", serverError("54000")],
  ["of which a later round met others", outcomeUnknown(contended)],
])("a chunk %s is halved down to single rows, and grows back", async (_, error) => {
  const { sent, chunks, end } = open(apart(2));
  await settle();
  sent[0]!.fail(error);
  sent[1]!.answer();
  for (let n = 2; n < 5; n++) {
    await settle();
    if (n === 2) sent[n]!.fail(error);
    else sent[n]!.answer();
  }
  await settle();
  sent[5]!.answer();

  expect(await end()).toBe("it did not fail");
  expect(rowsOf(sent).slice(2)).toEqual([[10, 11], [10], [11], [12, 13]]);
  expect(chunks.map(({ firstIndex, lastIndex }) => [firstIndex, lastIndex])).toEqual([
    [100, 100],
    [101, 101],
    [102, 103],
    [104, 107],
  ]);
});

test("chunks grow back after one that was halved", async () => {
  const { sent, end, isOver } = open([10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
  await settle();
  sent[0]!.fail(contended);
  for (let n = 1; !isOver(); n++) {
    await settle();
    sent[n]?.answer();
  }

  expect(await end()).toBe("it did not fail");
  expect(rowsOf(sent).map(({ length }) => length)).toEqual([4, 2, 2, 4, 2]);
});

test("a single row that fails is not halved, and neither is a chunk that fails for another reason", async () => {
  const [single, whole] = [open([10]), open(apart(1))];
  await settle();

  single.sent[0]!.fail(contended);
  whole.sent[0]!.fail(databaseAway(undefined));

  expect([await single.end(), await whole.end()]).toMatchObject([
    { reason: "CONTENTION" },
    { reason: "DATABASE_UNAVAILABLE" },
  ]);
  expect([single.sent.length, whole.sent.length]).toEqual([1, 1]);
});

test("the rest of a chunk that may have been written as a whole is in doubt when its half fails", async () => {
  const { sent, end } = open(apart(1));
  await settle();
  sent[0]!.fail(outcomeUnknown(contended));
  await settle();

  sent[1]!.fail(databaseAway(undefined));

  expect(await end()).toMatchObject({ kind: "outcome_unknown" });
});

test("where an error is to stop the import, half of a chunk that was written leaves the other half in doubt", async () => {
  const { sent, chunks, end } = open(apart(1), { stopOnError: true });
  await settle();
  sent[0]!.fail(contended);
  await settle();
  sent[1]!.answer();
  await settle();

  sent[2]!.fail(databaseAway(undefined));

  expect(await end()).toMatchObject({ kind: "outcome_unknown" });
  expect(chunks).toEqual([]);
});

test("a chunk has a minute, eight attempts and its caller's turn; a row by itself has all attempts", async () => {
  const { sent, end } = open([...apart(1), 20]);
  const before = Date.now();
  await settle();
  sent[0]!.answer();
  await settle();
  sent[1]!.answer();
  await end();

  const [chunk, row] = sent.map(({ budget }) => budget);
  expect(chunk).toMatchObject({ attemptsMax: 8, holder: "ada" });
  expect(chunk!.deadlineMs - before).toBeGreaterThan(59_000);
  expect(chunk!.deadlineMs - before).toBeLessThan(62_000);
  expect(row!.attemptsMax).toBeUndefined();
});
