import fc from "fast-check";
import { expect, test } from "vitest";
import { DomainError } from "../src/errors.ts";
import { attemptsMax, databaseOf } from "../src/db/engine/database.ts";
import { DecodeError } from "../src/db/engine/pg-types.ts";
import {
  forever,
  openFailingPool,
  openTestPool,
  refused,
  sent,
  write,
  type End,
} from "./support/attempts.ts";
import { settle } from "./support/batchers.ts";
import { serverError, wireError } from "./support/failures.ts";

const aborted = sent(serverError("40001"));
const overloaded = refused(serverError("53300"));
const disconnected = refused(wireError("ECONNREFUSED"));
const ambiguous = sent(wireError("ECONNRESET"));

/** Has attempts end in this order, the last one for ever, on a clock that only waiting moves. */
async function play(
  ends: readonly End[],
  { deadlineMs = Infinity, random = () => 0.999_999 }: { deadlineMs?: number; random?: () => number } = {},
) {
  let clock = 0;
  const waits: number[] = [];
  const retries: string[] = [];
  const { pool } = openFailingPool(ends);
  const db = databaseOf(pool, {
    now: () => clock,
    random,
    sleep: async (ms) => {
      waits.push(ms);
      clock += ms;
    },
    observer: { retried: (disposition, code) => void retries.push(`${disposition} ${code}`) },
  });
  const outcome = await db.query(write, [], { signal: forever, deadlineMs }).then(
    ([row]) => row!.value,
    (error: DomainError) => ({ kind: error.kind, reason: error.reason, ...error.facts }),
  );
  return { outcome, attempts: retries.length + 1, waits, retries, clock };
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
  const failure = fc.constantFrom<End>(aborted, overloaded, disconnected, ambiguous);
  const randoms = fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), { minLength: 1 });

  await fc.assert(
    fc.asyncProperty(
      fc.array(failure, { minLength: 1 }),
      randoms,
      fc.integer({ min: 1, max: 5_000 }),
      async (failures, chances, deadlineMs) => {
        let n = 0;
        const random = (): number => chances[n++ % chances.length]!;

        const { clock, attempts } = await play(failures, { deadlineMs, random });

        expect(clock).toBeLessThan(deadlineMs);
        expect(attempts).toBeLessThanOrEqual(attemptsMax);
      },
    ),
  );
});

test("each failed attempt that another one follows is counted, by disposition and code", async () => {
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
  ["no place in the queue", [refused(new DomainError("POOL_EXHAUSTED", "full"))]],
])("the outcome of an ambiguous attempt stays unknown after %s", async (_, then) => {
  const { outcome } = await play([ambiguous, ...then]);

  expect(outcome).toMatchObject({ kind: "outcome_unknown", reason: "COMMIT_OUTCOME_UNKNOWN" });
});

test.each([
  ["a server that takes no writes", "25006", "DATABASE_READ_ONLY", 10],
  ["a full disk", "53100", "DATABASE_OVERLOADED", 3],
])("%s is not asked for as long as the deadline allows", async (_, code, reason, count) => {
  const { outcome, attempts } = await play([sent(serverError(code))]);

  expect(outcome).toMatchObject({ reason });
  expect(attempts).toBe(count);
});

test("a final error ends it at once, in the words of the domain", async () => {
  const { outcome, attempts } = await play([sent(serverError("23505", "users_email_key"))]);

  expect(attempts).toBe(1);
  expect(outcome).toMatchObject({ kind: "already_exists", reason: "EMAIL_TAKEN" });
});

test("an answer that cannot be read goes through as it is", async () => {
  const mistake = new DecodeError(new Error("no number"));
  const db = databaseOf(openFailingPool([sent(mistake)]).pool);

  await expect(db.query(write, [], { signal: forever, deadlineMs: Infinity })).rejects.toBe(mistake);
});

test("a commit that is answered with a rollback does not pass for one", async () => {
  const { pool, seen } = openTestPool(async () => ({ rows: [] }), "postgresql", "ROLLBACK");
  const apart = { ...write, name: "test.write_apart", isolation: "repeatable read" } as const;

  const ignored = databaseOf(pool).query(apart, [], { signal: forever, deadlineMs: Infinity });

  await expect(ignored).rejects.toMatchObject({ cause: new Error("COMMIT was answered ROLLBACK") });
  expect(seen).toEqual(["1 goes back"]);
});

test("an answer that cannot be read is an unknown outcome after an ambiguous attempt", async () => {
  const { outcome } = await play([ambiguous, sent(new DecodeError(new Error("no number")))]);

  expect(outcome).toMatchObject({ kind: "outcome_unknown" });
});

test("a caller who leaves ends the wait, with the reason of its signal", async () => {
  const caller = new AbortController();
  const { pool, count } = openFailingPool([overloaded]);
  const leave = (): void => void setImmediate(() => caller.abort(new Error("left")));
  // Without its end the wait would take an hour.
  const db = databaseOf(pool, { random: () => 3_600, observer: { retried: leave } });

  const outcome = db.query(write, [], { signal: caller.signal, deadlineMs: Infinity });

  await expect(outcome).rejects.toThrow("left");
  expect(count()).toBe(1);
});

test.each([
  ["is in doubt", ambiguous],
  ["is refused", sent(serverError("23505", "users_email_key"))],
])("a caller who leaves during an attempt that %s hears the reason of its signal", async (_, end) => {
  const caller = new AbortController();
  const { pool } = openFailingPool([end]);
  const renew = (): void => caller.abort(new Error("left"));
  const db = databaseOf({ ...pool, renew });

  const outcome = db.query(write, [], { signal: caller.signal, deadlineMs: Infinity });

  await expect(outcome).rejects.toThrow("left");
});

test("the session of an attempt in doubt is ended before the next one, and later where there is none", async () => {
  const lost = [wireError("ECONNRESET")];
  const { seen, pool } = openTestPool(async () => {
    const [cause] = lost.splice(0, 1);
    if (cause) throw cause;
    return { rows: [] };
  });
  const db = databaseOf(pool);

  await db.query(write, [], { signal: forever, deadlineMs: Infinity });
  const resolved = [...seen];
  lost.push(wireError("ECONNRESET"));
  await db.query(write, [], { signal: forever, deadlineMs: 0 }).catch(() => {});
  await settle();

  const ended = ["1 is destroyed", "2 ends 1", "2 goes back", "3 goes back"];
  expect(resolved).toEqual(ended);
  expect(seen.slice(ended.length)).toEqual(["4 is destroyed", "5 ends 4", "5 goes back"]);
});
