import { expect, test } from "vitest";
import { createRowBuffer, type Bounds, type Entry } from "../src/services/row-buffer.ts";
import { settle } from "./support/batchers.ts";

const bounds: Bounds = { rowsMax: 4, weightMax: 10 };
const forever = new AbortController().signal;
const always = (): boolean => true;

type Batches = AsyncIterable<Iterable<number>>;

/** A buffer of rows that weigh what they say. */
function openBuffer(batches: Batches, signal = forever) {
  const toEntry = (weight: number, index: number): Entry<number> => ({
    index,
    row: weight,
    weight,
    locks: [],
  });
  return createRowBuffer(batches, toEntry, bounds, signal);
}

const rowsOf = (entries: readonly Entry<number>[]): unknown[] => entries.map(({ row }) => row);

/** Batches of a row each, and how many of them have been asked for. */
function counting(weight: number) {
  const seen = { asked: 0, isClosed: false };
  async function* batches() {
    try {
      for (;;) {
        seen.asked++;
        yield [weight];
      }
    } finally {
      seen.isClosed = true;
    }
  }
  return { seen, batches: batches() };
}

async function* failing(...rows: number[]): AsyncGenerator<number[]> {
  yield rows;
  throw new Error("the source has failed");
}

test("what a source fails with is thrown when the rows before it have been taken", async () => {
  using buffer = openBuffer(failing(1, 1));
  await settle();

  const before = await buffer.take(bounds);

  expect(rowsOf(before)).toEqual([1, 1]);
  await expect(buffer.take(bounds)).rejects.toThrow("the source has failed");
});

test("what a source fails with after the call has ended is not thrown", async () => {
  const leaver = new AbortController();
  using buffer = openBuffer(failing(), leaver.signal);
  leaver.abort();

  expect(await buffer.take(bounds)).toEqual([]);
});

test("one who waits for rows of a call that ends is given none", async () => {
  const leaver = new AbortController();
  const source: Batches = { [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }) };
  using buffer = openBuffer(source, leaver.signal);
  const taken = buffer.take(bounds);
  await settle();

  leaver.abort();
  const given = await Promise.race([taken, settle().then(() => "it waits on")]);

  expect(given).toEqual([]);
});

test.each([
  ["rows", 1, 4],
  ["weight", 5, 2],
])(
  "reading stops at the bounds in %s, goes on when rows are taken, and ends with the buffer",
  async (_, weight, held) => {
    const { seen, batches } = counting(weight);
    const asked: number[] = [];
    {
      using buffer = openBuffer(batches);
      await settle();
      asked.push(seen.asked);
      await buffer.take({ ...bounds, rowsMax: 1 });
      await settle();
      asked.push(seen.asked);
    }
    await settle();

    // One batch is at hand beyond the bounds.
    expect([asked, seen]).toEqual([[held + 1, held + 2], { asked: held + 2, isClosed: true }]);
  },
);

test("rows are taken within the bounds in weight, but for one that weighs more by itself", async () => {
  async function* batches() {
    yield [3, 3, 5, 11, 1];
  }
  using buffer = openBuffer(batches());

  const taken = [];
  for (let rows = await buffer.take(bounds); rows.length > 0; rows = await buffer.take(bounds))
    taken.push(rowsOf(rows));

  expect(taken).toEqual([[3, 3], [5], [11], [1]]);
});

test("a whole chunk is taken when the buffer is full or the source has ended, if it is accepted", async () => {
  const more = Promise.withResolvers<void>();
  async function* batches() {
    yield [1];
    await more.promise;
    yield [1, 1, 1, 1];
  }
  using buffer = openBuffer(batches());
  await settle();

  const early = buffer.takeWhole(bounds, always);
  more.resolve();
  await settle();
  const refused = buffer.takeWhole(bounds, () => false);
  const full = buffer.takeWhole(bounds, always);
  await settle();
  const rest = buffer.takeWhole(bounds, always);

  expect([early, refused, full, rest].map(({ length }) => length)).toEqual([0, 0, 4, 1]);
});
