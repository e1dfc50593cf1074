import { expect, test } from "vitest";
import { createQueue } from "../src/db/queue.ts";

const budget = (holder: unknown) => ({ signal: new AbortController().signal, deadlineMs: Infinity, holder });

test("holders take turns, and of each holder the first that came is served first", async () => {
  const queue = createQueue(1, 100, 60_000);
  const served: string[] = [];
  const enter = async (holder: string, name: string) => {
    const leave = await queue.enter(budget(holder));
    served.push(name);
    leave();
  };
  const first = await queue.enter(budget("crowd"));

  const all = [
    ...["a", "b", "c", "d"].map((name) => enter("crowd", name)),
    ...["x", "y"].map((name) => enter("other", name)),
    enter("third", "z"),
  ];
  first();
  await Promise.all(all);

  expect(served).toEqual(["a", "x", "z", "b", "y", "c", "d"]);
  expect([queue.waiting, queue.taken]).toEqual([0, 0]);
});

test("who leaves the queue has no turn, and leaves no holder behind", async () => {
  const queue = createQueue(1, 100, 60_000);
  const controller = new AbortController();
  const first = await queue.enter(budget("a"));

  const left = queue.enter({ ...budget("b"), signal: controller.signal });
  const stays = queue.enter(budget("c"));
  controller.abort(new Error("left"));
  await expect(left).rejects.toThrow("left");
  first();
  (await stays)();

  expect([queue.waiting, queue.taken]).toEqual([0, 0]);
});
