import { expect, test } from "vitest";
import { databaseAway } from "../src/errors.ts";
import { apart, openImport, refused, rowsOf } from "./support/import-chunks.ts";
import { settle } from "./support/batchers.ts";

test("a second chunk joins the first one where it locks nothing of it, and a third one waits", async () => {
  const { sent, chunks, end, worked } = openImport(apart(3));
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
  const { sent, end } = openImport([10, 11, 12, 13, 14, 15]);
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
  const { sent, chunks, end } = openImport(apart(2), { stopOnError: true });
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
  const { sent, chunks, end } = openImport(apart(1));
  await settle();

  sent[0]!.answer(["inserted", refused, "inserted", "existed"]);

  expect(await end()).toBe("it did not fail");
  expect(chunks).toHaveLength(1);
});

test("an import ends when all has ended that is under way", async () => {
  const { sent, end, isOver } = openImport(apart(2));
  await settle();

  sent[0]!.fail(databaseAway(undefined));
  await settle();
  const before = isOver();
  sent[1]!.answer();

  expect(await end()).toMatchObject({ reason: "DATABASE_UNAVAILABLE" });
  expect(before).toBe(false);
});

test("a drain ends an import between chunks, with the last index that was answered", async () => {
  const { sent, end, draining } = openImport(apart(3));
  await settle();

  draining.abort();
  sent[0]!.answer();
  sent[1]!.answer();

  expect(await end()).toMatchObject({ reason: "SHUTTING_DOWN", facts: { metadata: { last_index: "107" } } });
  expect(sent).toHaveLength(2);
});

test("a caller that leaves between chunks hears the reason of its signal", async () => {
  const { sent, end, signal } = openImport([10, 11, 12, 13, 14]);
  await settle();

  signal.abort(new Error("left"));
  sent[0]!.answer();

  expect(await end()).toEqual(new Error("left"));
});

test("a chunk has a minute, eight attempts and its caller's turn; a row by itself has all attempts", async () => {
  const { sent, end } = openImport([...apart(1), 20]);
  const before = Date.now();
  await settle();
  sent[0]!.answer();
  await settle();
  sent[1]!.answer();
  await end();

  const [chunk, row] = sent.map(({ deadline }) => deadline);
  expect(chunk).toMatchObject({ attemptsMax: 8, holder: "ada" });
  expect(chunk!.deadlineMs - before).toBeGreaterThan(59_000);
  expect(chunk!.deadlineMs - before).toBeLessThan(62_000);
  expect(row!.attemptsMax).toBeUndefined();
});
