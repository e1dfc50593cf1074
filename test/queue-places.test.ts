import { expect, onTestFinished, test, vi } from "vitest";
import { createQueue, type Queue } from "../src/queue.ts";
import { settle } from "./support/batchers.ts";

const limits = {
  places: 1,
  lengthMax: 10,
  lengthFloor: 10,
  waitMsMax: 60_000,
  refuse: (why: string) => new Error(why),
};
const patient = { signal: new AbortController().signal, deadlineMs: Infinity };

/** Lets two callers enter: exactly one waits if the queue's only place is free. */
function enterTwo(queue: Queue): number {
  for (const caller of [patient, patient]) void queue.enter(caller);
  return queue.waiting;
}

test("a place that is given back twice admits one waiting caller, not two", async () => {
  const queue = createQueue(limits);
  const first = await queue.enter(patient);
  const waiting = [queue.enter(patient), queue.enter(patient)];

  first();
  first();
  await settle();
  const before = queue.waiting;
  for (const each of waiting) (await each)();

  expect([before, queue.waiting, enterTwo(queue)]).toEqual([1, 0, 1]);
});

test("a caller that waited too long has no turn", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  const queue = createQueue({ ...limits, waitMsMax: 1_000 });
  const first = await queue.enter(patient);
  const late = queue.enter(patient).catch((error: unknown) => error);

  vi.advanceTimersByTime(1_000);
  first();

  expect(await late).toMatchObject({ message: "late" });
  expect([queue.waiting, enterTwo(queue)]).toEqual([0, 1]);
});

test("a caller whose deadline has passed has no turn; its signal, if it aborts then, comes first", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  onTestFinished(() => void vi.useRealTimers());
  const queue = createQueue({ ...limits, waitMsMax: Infinity });
  const first = await queue.enter(patient);
  const [deadlineMs, controller] = [Date.now() + 500, new AbortController()];
  const waiting = [patient.signal, controller.signal].map((signal) =>
    queue.enter({ signal, deadlineMs }).catch((error: unknown) => error),
  );

  vi.advanceTimersByTime(500);
  controller.abort("left");
  vi.advanceTimersByTime(100);
  first();

  expect(await Promise.all(waiting)).toMatchObject([{ message: "late" }, "left"]);
  expect([queue.waiting, enterTwo(queue)]).toEqual([0, 1]);
});

test("no more wait than the queue is long, and a caller that has already left takes no place", async () => {
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
  expect([left, enterTwo(queue)]).toEqual(["left", 1]);
});
