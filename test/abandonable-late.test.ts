import { expect, test } from "vitest";
import { abandonable, toTimeoutMs } from "../src/db/engine/deadline.ts";
import { settle } from "./support/batchers.ts";

const never = new AbortController().signal;

test("a timer takes what is left and a little more, no less than nothing and no more than timers hold", () => {
  const left = toTimeoutMs(Date.now() + 1_000);

  expect(left).toBeGreaterThan(900);
  expect(left).toBeLessThanOrEqual(1_020);
  expect([toTimeoutMs(0), toTimeoutMs(Date.now() + 2 ** 40), toTimeoutMs(Infinity)]).toEqual([
    20,
    2 ** 31 - 1,
    2 ** 31 - 1,
  ]);
});

test.each([
  [
    "the signal aborts",
    () => ({ signal: AbortSignal.abort(new Error("gone")), deadlineMs: Infinity }),
    "gone",
  ],
  [
    "the deadline passes",
    () => ({ signal: never, deadlineMs: Date.now() }),
    "no connection was made in time",
  ],
])("what comes after %s is given away as late", async (_, deadline, message) => {
  const made = Promise.withResolvers<string>();
  const late: string[] = [];

  const taken = abandonable(made.promise, deadline(), (value) => late.push(value));

  await expect(taken).rejects.toThrow(message);
  made.resolve("a connection");
  await settle();
  expect(late).toEqual(["a connection"]);
});
