import { expect, test } from "vitest";
import type { DomainError } from "../src/errors.ts";
import { AttemptError, attemptsMax, createBudget, retrying } from "../src/db/engine/retry.ts";
import { serverError, wireError } from "./support/failures.ts";

const attempt = (phase: "committing" | "executing", cause: Error) =>
  new AttemptError("postgresql", phase, cause);

const aborted = attempt("committing", serverError("40001"));
const ambiguous = attempt("committing", wireError("ECONNRESET"));
const standby = attempt("committing", serverError("25006"));

/** Runs attempts that fail in this order, the last one for ever, for one who asks for eight. */
async function play(failures: readonly AttemptError[]) {
  let attempts = 0;
  const budget = { signal: new AbortController().signal, deadlineMs: Infinity, attemptsMax: 8 };
  const error = await retrying(
    budget,
    async () => {
      throw failures[Math.min(attempts++, failures.length - 1)]!;
    },
    { sleep: async () => {} },
  ).catch((thrown: DomainError) => thrown);
  return { attempts, reason: error.reason };
}

test("one who has something better to do than the same again says after how many attempts", async () => {
  expect(await play([aborted])).toEqual({ attempts: 8, reason: "CONTENTION" });
});

test.each([
  ["only what is in doubt follows", [ambiguous]],
  ["only aborts follow", [ambiguous, aborted]],
  ["the server takes no writes any more", [ambiguous, standby]],
])("doubt is not given up before the attempts run out, when %s", async (_, failures) => {
  expect(await play(failures)).toEqual({ attempts: attemptsMax, reason: "COMMIT_OUTCOME_UNKNOWN" });
});

test("the budget of the service itself ends when its time is over", async () => {
  const before = Date.now();
  const { signal, deadlineMs } = createBudget(20);

  await expect.poll(() => signal.aborted).toBe(true);

  expect(deadlineMs - before).toBeGreaterThanOrEqual(20);
  expect(deadlineMs - before).toBeLessThan(1_000);
});

test("a caller who leaves during an attempt hears the reason of its signal, also if the attempt is refused", async () => {
  const caller = new AbortController();
  const refused = attempt("committing", serverError("23505", "users_email_key"));

  const outcome = retrying({ signal: caller.signal, deadlineMs: Infinity }, async () => {
    caller.abort(new Error("left"));
    throw refused;
  });

  await expect(outcome).rejects.toThrow("left");
});
