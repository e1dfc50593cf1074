import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { createRowBuffer, type Entry } from "../src/services/row-buffer.ts";

const bounds = { rowsMax: 1_000, weightMax: 4_000 };

type Batches = AsyncIterable<readonly string[]>;

/** A buffer of rows that each lock what they say. */
function openBuffer(batches: Batches) {
  const toEntry = (lock: string, index: number): Entry<string> => ({
    index,
    row: lock,
    weight: 1,
    locks: [lock],
  });
  return createRowBuffer(batches, toEntry, bounds, new AbortController().signal);
}

/** How many rows are taken each time until there are no more, by one who is busy with them for a while. */
async function takeAll(buffer: ReturnType<typeof openBuffer>): Promise<number[]> {
  const counts = [];
  for (let rows = await buffer.take(bounds); rows.length > 0; rows = await buffer.take(bounds)) {
    counts.push(rows.length);
    await delay(5);
  }
  return counts;
}

const times = (count: number, toLock: (n: number) => string): string[] =>
  Array.from({ length: count }, (_, n) => toLock(n));

test.each([1, 2, 127, 128, 300])(
  "a burst of %i rows is taken whole when nothing follows it",
  async (size) => {
    const sent = Promise.withResolvers<void>();
    async function* bursts() {
      yield times(size, String);
      await sent.promise;
    }
    using buffer = openBuffer(bursts());

    let taken = 0;
    while (taken < size) taken += (await buffer.take(bounds)).length;
    sent.resolve();

    expect(taken).toBe(size);
    expect(await buffer.take(bounds)).toEqual([]);
  },
);

test("rows are cut where the lock changes", async () => {
  async function* batch() {
    yield times(2_000, (n) => String(Math.floor(n / 7)));
  }
  using buffer = openBuffer(batch());

  const counts = await takeAll(buffer);

  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(2_000);
  expect(counts.slice(0, -1).filter((count) => count % 7 !== 0)).toEqual([]);
});

test("rows that all lock the same are cut where they must be", async () => {
  async function* batch() {
    yield times(2_000, () => "the same");
  }
  using buffer = openBuffer(batch());

  const counts = await takeAll(buffer);

  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(2_000);
  expect(Math.max(...counts)).toBeLessThanOrEqual(bounds.rowsMax);
});
