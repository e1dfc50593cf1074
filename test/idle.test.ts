import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type IdleWatch, startIdleWatch } from "../src/rpc/idle.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A stream that may idle for ten seconds. */
function start(): { readonly watch: IdleWatch; readonly isIdle: () => boolean } {
  let idle = 0;
  const watch = startIdleWatch(10_000, () => void (idle += 1));
  return { watch, isIdle: () => idle > 0 };
}

const pass = (seconds: number) => vi.advanceTimersByTimeAsync(seconds * 1_000);

test("a stream whose caller does not move for the limit is idle", async () => {
  const { watch, isIdle } = start();

  watch.wait();
  await pass(9.9);
  const before = isIdle();
  await pass(0.2);

  expect([before, isIdle()]).toEqual([false, true]);
});

test("each move begins the time anew, however slow they are", async () => {
  const { watch, isIdle } = start();

  for (let move = 0; move < 50; move++) {
    watch.wait();
    await pass(9);
    watch.waited();
  }

  expect(isIdle()).toBe(false);
});

test("a stream that waits for nobody is not idle", async () => {
  const { watch, isIdle } = start();

  watch.wait();
  watch.waited();
  await pass(1_000);

  expect(isIdle()).toBe(false);
});

test("time in which the service works does not count, and the limit begins behind it", async () => {
  const { watch, isIdle } = start();
  const work = Promise.withResolvers<void>();

  watch.wait();
  void watch.working(work.promise);
  await pass(1_000);
  work.resolve();
  await pass(9.9);
  const before = isIdle();
  await pass(0.2);

  expect([before, isIdle()]).toEqual([false, true]);
});

test("work that fails is over", async () => {
  const { watch, isIdle } = start();

  watch.wait();
  const failed = watch.working(Promise.reject(new Error("no"))).catch((error: Error) => error.message);
  await pass(11);

  expect([await failed, isIdle()]).toEqual(["no", true]);
});

test("a watch that was stopped says nothing", async () => {
  const { watch, isIdle } = start();

  watch.wait();
  watch.stop();
  await pass(1_000);

  expect([isIdle(), vi.getTimerCount()]).toEqual([false, 0]);
});
