import { expect, test } from "vitest";
import { createQueue, type Queue } from "../src/queue.ts";

const limits = {
  places: 1,
  lengthMax: 100,
  lengthFloor: 2,
  waitMsMax: 60_000,
  refuse: (why: string) => new Error(why),
};
const deadline = (holder: unknown) => ({
  signal: new AbortController().signal,
  deadlineMs: Infinity,
  holder,
});

/** Lets two callers enter: exactly one waits if the queue's only place is free. */
function enterTwo(queue: Queue): number {
  for (const holder of ["one", "two"]) void queue.enter(deadline(holder));
  return queue.waiting;
}

test("holders take turns, and each holder's callers are served first in, first out", async () => {
  const queue = createQueue(limits);
  const served: string[] = [];
  const enter = async (holder: string, name: string) => {
    const leave = await queue.enter(deadline(holder));
    served.push(name);
    leave();
  };
  const first = await queue.enter(deadline("crowd"));

  const all = [
    ...["a", "b", "c", "d"].map((name) => enter("crowd", name)),
    ...["x", "y"].map((name) => enter("other", name)),
    enter("third", "z"),
  ];
  first();
  await Promise.all(all);

  expect(served).toEqual(["a", "x", "z", "b", "y", "c", "d"]);
  expect([queue.waiting, enterTwo(queue)]).toEqual([0, 1]);
});

test("a caller that leaves the queue has no turn, and its holder is removed", async () => {
  const queue = createQueue(limits);
  const controller = new AbortController();
  const first = await queue.enter(deadline("a"));

  const left = queue.enter({ ...deadline("b"), signal: controller.signal });
  const stays = queue.enter(deadline("c"));
  controller.abort(new Error("left"));
  await expect(left).rejects.toThrow("left");
  first();
  (await stays)();

  expect([queue.waiting, enterTwo(queue)]).toEqual([0, 1]);
});
