import fc from "fast-check";
import { expect, test } from "vitest";
import { DomainError } from "../src/errors.ts";
import { AttemptError, attemptsMax, retrying } from "../src/db/engine/retry.ts";
import { serverError, wireError } from "./support/failures.ts";

const aborted = new AttemptError("postgresql", "committing", serverError("40001"));
const overloaded = new AttemptError("postgresql", "connecting", serverError("53300"));
const disconnected = new AttemptError("postgresql", "connecting", wireError("ECONNREFUSED"));
const ambiguous = new AttemptError("postgresql", "committing", wireError("ECONNRESET"));

/** Runs attempts that fail in this order, the last one for ever, on a clock that only waiting moves. */
async function play(
  failures: readonly (Error | string)[],
  { deadlineMs = Infinity, random = () => 0.999_999 }: { deadlineMs?: number; random?: () => number } = {},
) {
  let clock = 0;
  let attempts = 0;
  const waits: number[] = [];
  const retries: string[] = [];
  const outcome = await retrying(
    { signal: new AbortController().signal, deadlineMs },
    async () => {
      const next = failures[Math.min(attempts++, failures.length - 1)]!;
      if (typeof next === "string") return next;
      throw next;
    },
    {
      now: () => clock,
      random,
      sleep: async (ms) => {
        waits.push(ms);
        clock += ms;
      },
      onRetry: (fate, code) => void retries.push(`${fate} ${code}`),
    },
  ).catch((error: DomainError) => ({ kind: error.kind, reason: error.reason, ...error.facts }));
  return { outcome, attempts, waits, retries, clock };
}

test("a wait is up to twice the one before, from 2 ms to 128 ms", async () => {
  const { waits } = await play([...Array.from({ length: 9 }, () => aborted), "done"]);

  expect(waits.map(Math.round)).toEqual([2, 4, 8, 16, 32, 64, 128, 128, 128]);
});

test("a database without room is left alone for up to a second from the first wait on", async () => {
  const { waits } = await play([overloaded, aborted, overloaded, "done"]);

  expect(waits.map(Math.round)).toEqual([1000, 4, 1000]);
});

test("a wait is anything down to nothing (full jitter)", async () => {
  const { waits } = await play([...Array.from({ length: 9 }, () => aborted), "done"], { random: () => 0 });

  expect(waits).toEqual(new Array(9).fill(0));
});

test("no wait ends after the deadline, and attempts are bounded, whatever fails", async () => {
  const failure = fc.constantFrom(aborted, overloaded, disconnected, ambiguous);
  const randoms = fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), { minLength: 1 });

  await fc.assert(
    fc.asyncProperty(
      fc.array(failure, { minLength: 1 }),
      randoms,
      fc.integer({ min: 1, max: 5_000 }),
      async (failures, chances, deadlineMs) => {
        let n = 0;
        const random = (): number => chances[n++ % chances.length]!;

        const { clock, attempts, retries } = await play(failures, { deadlineMs, random });

        expect(clock).toBeLessThan(deadlineMs);
        expect(attempts).toBeLessThanOrEqual(attemptsMax);
        expect(retries).toHaveLength(attempts - 1);
      },
    ),
  );
});

test("each failed attempt that another one follows is counted, by fate and code", async () => {
  const { outcome, retries } = await play([aborted, overloaded, disconnected, ambiguous, "done"]);

  expect(outcome).toBe("done");
  expect(retries).toEqual([
    "aborted 40001",
    "overloaded 53300",
    "disconnected ECONNREFUSED",
    "ambiguous ECONNRESET",
  ]);
});

test.each([
  ["contention", [aborted], { kind: "unavailable", reason: "CONTENTION", retryAfterMs: 100 }],
  ["overload", [overloaded], { kind: "exhausted", reason: "DATABASE_OVERLOADED", retryAfterMs: 1_000 }],
  [
    "no connection",
    [disconnected],
    { kind: "unavailable", reason: "DATABASE_UNAVAILABLE", retryAfterMs: 1_000 },
  ],
])("after so much %s that attempts run out nothing has happened", async (_, failures, error) => {
  expect(await play(failures)).toMatchObject({ outcome: error, attempts: attemptsMax });
});

test.each([
  ["itself", []],
  ["a definite abort", [aborted]],
  ["overload", [overloaded]],
  ["no connection", [disconnected]],
  [
    "no place in the queue",
    [new AttemptError("postgresql", "connecting", new DomainError("POOL_EXHAUSTED", "full"))],
  ],
])("the outcome of an ambiguous attempt stays unknown after %s", async (_, then) => {
  const { outcome } = await play([ambiguous, ...then]);

  expect(outcome).toMatchObject({ kind: "outcome_unknown", reason: "COMMIT_OUTCOME_UNKNOWN" });
});

test.each([
  ["a server that takes no writes", "25006", "DATABASE_READ_ONLY", 10],
  ["a full disk", "53100", "DATABASE_OVERLOADED", 3],
])("%s is not asked for as long as the deadline allows", async (_, code, reason, count) => {
  const { outcome, attempts } = await play([new AttemptError("postgresql", "committing", serverError(code))]);

  expect(outcome).toMatchObject({ reason });
  expect(attempts).toBe(count);
});

test("a final error ends it at once, in the words of the domain", async () => {
  const { outcome, attempts } = await play([
    new AttemptError("postgresql", "committing", serverError("23505", "users_email_key")),
  ]);

  expect(attempts).toBe(1);
  expect(outcome).toMatchObject({ kind: "already_exists", reason: "EMAIL_TAKEN" });
});

test("what is no failure of an attempt goes through as it is", async () => {
  const mistake = new TypeError("a mistake");

  const outcome = retrying({ signal: new AbortController().signal, deadlineMs: Infinity }, () =>
    Promise.reject(mistake),
  );

  await expect(outcome).rejects.toBe(mistake);
});

test("a caller who leaves ends the wait, with the reason of its signal", async () => {
  const caller = new AbortController();
  let attempts = 0;

  const outcome = retrying(
    { signal: caller.signal, deadlineMs: Infinity },
    async () => {
      attempts++;
      throw overloaded;
    },
    // Without its end the wait would take an hour.
    { random: () => 3_600, onRetry: () => setImmediate(() => caller.abort(new Error("left"))) },
  );

  await expect(outcome).rejects.toThrow("left");
  expect(attempts).toBe(1);
});

test("a caller who leaves during an attempt hears the reason of its signal and not the attempt's", async () => {
  const caller = new AbortController();

  const outcome = retrying({ signal: caller.signal, deadlineMs: Infinity }, async () => {
    caller.abort(new Error("left"));
    throw ambiguous;
  });

  await expect(outcome).rejects.toThrow("left");
});
