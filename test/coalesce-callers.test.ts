import { expect, test } from "vitest";
import { DomainError } from "../src/db/errors.ts";
import { createTestLane, patient, settle } from "./support/lanes.ts";

test("a caller who has left before its set is not sent", async () => {
  const { departed, ask } = createTestLane();
  const leaver = new AbortController();
  const first = ask(1);
  await settle();
  const answers = Promise.allSettled([first, ask(2, patient(leaver.signal)), ask(3)]);

  leaver.abort("gone");
  departed[0]!.answer();
  await settle();
  departed[1]!.answer();

  expect(await answers).toEqual([
    { status: "fulfilled", value: "answer 1" },
    { status: "rejected", reason: "gone" },
    { status: "fulfilled", value: "answer 3" },
  ]);
  expect(departed.map(({ requests }) => requests)).toEqual([[1], [3]]);
});

test("a set is stopped when all its callers have left, and not before", async () => {
  const { departed, ask } = createTestLane();
  const [first, second] = [new AbortController(), new AbortController()];
  const answers = [ask(2, patient(first.signal)), ask(3, patient(second.signal))];
  await settle();
  const { signal } = departed[0]!.budget;

  first.abort(new Error("gone"));
  const before = signal.aborted;
  second.abort(new Error("gone too"));

  expect([before, signal.aborted]).toEqual([false, true]);
  await expect(answers[0]).rejects.toThrow("gone");
  await expect(answers[1]).rejects.toThrow("gone too");
});

test("the deadline of a set is the latest of its callers'", async () => {
  const { departed, ask } = createTestLane();
  const { signal } = new AbortController();
  void ask(2, { signal, deadlineMs: 1_000 });
  void ask(3, { signal, deadlineMs: 3_000 });
  void ask(4, { signal, deadlineMs: 2_000 });
  await settle();

  expect(departed[0]!.budget.deadlineMs).toBe(3_000);
});

test("a set that fails for an unknown reason is run again request by request", async () => {
  const { departed, ask } = createTestLane();
  const answers = Promise.allSettled([2, 3].map((request) => ask(request)));
  await settle();

  departed[0]!.fail("one of them is bad");
  await settle();
  departed[1]!.fail("this one");
  await settle();
  departed[2]!.answer();

  expect(await answers).toEqual([
    { status: "rejected", reason: "this one" },
    { status: "fulfilled", value: "answer 3" },
  ]);
  expect(departed.map(({ requests }) => requests)).toEqual([[2, 3], [2], [3]]);
});

test("what the database says of a whole set is said to all of its callers", async () => {
  const { departed, ask } = createTestLane();
  const answers = [2, 3].map((request) => ask(request));
  await settle();

  departed[0]!.fail(new DomainError("unavailable", "DATABASE_UNAVAILABLE", "away"));

  await expect(answers[0]).rejects.toThrow("away");
  await expect(answers[1]).rejects.toThrow("away");
  expect(departed).toHaveLength(1);
});
