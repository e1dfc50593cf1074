import { expect, onTestFinished, test, vi } from "vitest";
import { createQueue } from "../src/queue.ts";
import { settle } from "./support/batchers.ts";

const limits = {
  places: 1,
  lengthMax: 10,
  lengthFloor: 10,
  waitMsMax: 60_000,
  refuse: (why: string) => new Error(why),
};
const patient = { signal: new AbortController().signal, deadlineMs: Infinity };

test("a place that is given back twice is given to one who waits, and not to two", async () => {
  const queue = createQueue(limits);
  const first = await queue.enter(patient);
  const waiting = [queue.enter(patient), queue.enter(patient)];

  first();
  first();
  await settle();
  const before = queue.waiting;
  for (const each of waiting) (await each)();

  expect([before, queue.waiting, queue.taken]).toEqual([1, 0, 0]);
});

test("one who waited too long has no turn any more", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  const queue = createQueue({ ...limits, waitMsMax: 1_000 });
  const first = await queue.enter(patient);
  const late = queue.enter(patient).catch((error: unknown) => error);

  vi.advanceTimersByTime(1_000);
  first();

  expect(await late).toMatchObject({ message: "late" });
  expect([queue.waiting, queue.taken]).toEqual([0, 0]);
});

test("as many wait as the queue is long, and no place is taken by one who has left already", async () => {
  const queue = createQueue({ ...limits, lengthMax: 2 });
  const first = await queue.enter(patient);
  const waiting = [queue.enter(patient), queue.enter(patient)];

  const full = await queue.enter(patient).catch((error: unknown) => error);
  first();
  for (const each of waiting) (await each)();
  const left = await queue
    .enter({ ...patient, signal: AbortSignal.abort("left") })
    .catch((error: unknown) => error);

  expect(full).toMatchObject({ message: "full" });
  expect([left, queue.taken]).toEqual(["left", 0]);
});
