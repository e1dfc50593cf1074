import { expect, test } from "vitest";
import { createPace } from "../src/db/engine/pace.ts";

/** A pace that has seen many batches of this length. */
function paceOf(elapsedMs: number) {
  const pace = createPace();
  for (let n = 0; n < 200; n++) pace.note(elapsedMs);
  return pace;
}

const round = (ms: number): number => Math.round(ms);

test("before the first batch has ended one is late after 100 ms, and after 20 ms where a caller has left", () => {
  const pace = createPace();

  expect([pace.overdueMs(), pace.leftMs()]).toEqual([100, 20]);
});

test("a batch is late after eight times what batches take lately, or three times where a caller has left", () => {
  const [quick, usual] = [paceOf(5), paceOf(50)];

  expect([quick.overdueMs(), quick.leftMs()].map(round)).toEqual([100, 20]);
  expect([usual.overdueMs(), usual.leftMs()].map(round)).toEqual([400, 150]);
});

test("a batch is late within a second, however slow the database is", () => {
  const slow = paceOf(60_000);

  expect([slow.overdueMs(), slow.leftMs()]).toEqual([1_000, 1_000]);
});

test("one slow batch makes the next ones late a little later, and is forgotten", () => {
  const pace = paceOf(20);
  pace.note(60_000);
  const after = pace.overdueMs();
  for (let n = 0; n < 200; n++) pace.note(20);

  expect(after).toBeCloseTo(8 * (20 + 0.1 * 980), 0);
  expect(round(pace.overdueMs())).toBe(160);
});
