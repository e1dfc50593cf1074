import { expect, test } from "vitest";
import { createQueue } from "../scripts/import/queue.ts";
import type { Rows } from "../scripts/import/rows.ts";

const end = { bytes: 1, crc32: 1 };

async function* toRows(count: number, error?: Error): Rows<string> {
  for (let line = 1; line <= count; line += 1) yield [{ line, end, message: `row ${line}` }];
  if (error) throw error;
}

const fromStart = { nextIndex: 0, checkpoint: undefined };
const bounds = { bytesMax: 1_000 };

test("rows are kept until they are answered, and go with their answers", async () => {
  const queue = createQueue(toRows(3), fromStart, bounds);
  await queue.begin();
  const read: number[] = [];

  for await (const rows of queue.read()) read.push(rows.length);
  const answered = [...queue.acknowledge(1), ...queue.acknowledge(2)];

  expect(read).toEqual([1, 1, 1]);
  expect(answered.map(({ message }) => message)).toEqual(["row 1", "row 2", "row 3"]);
  expect(queue.nextIndex).toBe(3);
});

test("an input that cannot be read any further is not taken for its end", async () => {
  const queue = createQueue(toRows(1, new Error("the disk is gone")), fromStart, bounds);
  const rows = queue.read();

  await rows.next();

  await expect(rows.next()).rejects.toThrow("the disk is gone");
});

test.each([
  ["other rows", 2, { bytes: 1, crc32: 2 }],
  ["fewer rows", 4, end],
])("a file that has %s than were imported is not gone on with", async (_, nextIndex, checkpoint) => {
  const queue = createQueue(toRows(3), { nextIndex, checkpoint }, bounds);

  await expect(queue.begin()).rejects.toThrow("the rows that were imported have changed since");
});
