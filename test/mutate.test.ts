import { expect, test } from "vitest";
import type { Database } from "../src/db/engine/database.ts";
import { mutate } from "../src/db/engine/mutate.ts";
import type { Run } from "../src/db/engine/statement.ts";
import { DomainError, outcomeUnknown } from "../src/errors.ts";

const refusal = new DomainError("INSUFFICIENT_STOCK", "too little");
const full = new DomainError("POOL_EXHAUSTED", "full");

/** Runs a write that ends in these ways, one after the other, beside what is orphaned. */
function write(ends: readonly (() => unknown)[], orphans: Promise<unknown>, signal = forever) {
  const runs: unknown[] = [];
  const query = async (): Promise<unknown> => ends[runs.push(0) - 1]!();
  const db = { orphansEnded: () => orphans, query } as unknown as Database;
  const outcome = mutate<null, unknown>(db, { signal, deadlineMs: Infinity }, runNothing, null);
  return { runs, outcome };
}

const runNothing = (run: Run): Promise<unknown> => run(nothing, []);
const nothing = { name: "test.nothing", text: "", readsOnly: false };
const forever = new AbortController().signal;
const raise = (error: Error) => (): never => {
  throw error;
};

test("a call whose outcome is unknown stays so, although its own session is orphaned", async () => {
  const { runs, outcome } = write([raise(outcomeUnknown(undefined)), () => "again"], Promise.resolve());

  await expect(outcome).rejects.toMatchObject({ kind: "outcome_unknown" });
  expect(runs).toHaveLength(1);
});

test("a set that has done some of its work is not called undone when its second run fails", async () => {
  const { outcome } = write([() => ["created", refusal], raise(full)], Promise.resolve());

  await expect(outcome).rejects.toMatchObject({ kind: "outcome_unknown" });
});

test("a refusal is answered when what is orphaned has gone and the write was refused again", async () => {
  const gone = Promise.withResolvers<void>();
  const { runs, outcome } = write([raise(refusal), raise(refusal)], gone.promise);
  await Promise.resolve();
  const before = runs.length;

  gone.resolve();

  await expect(outcome).rejects.toBe(refusal);
  expect([before, runs.length]).toEqual([1, 2]);
});

test("a refusal is not answered when what is orphaned before it has gone meanwhile, and may have happened", async () => {
  const remaining: Promise<void>[] = [Promise.resolve()];
  const ends = [raise(refusal), () => "it had happened"];
  const query = async (): Promise<unknown> => {
    remaining.length = 0;
    return ends.shift()!();
  };
  const db = { orphansEnded: () => remaining[0], query } as unknown as Database;

  const outcome = await mutate(db, { signal: forever, deadlineMs: Infinity }, runNothing, null);

  expect(outcome).toBe("it had happened");
});

test("a refusal is no answer where what is orphaned cannot be ended", async () => {
  const { outcome } = write([raise(refusal)], Promise.reject(new Error("away")));

  await expect(outcome).rejects.toMatchObject({ kind: "outcome_unknown" });
});

test("a caller waits for what is orphaned until its signal aborts, and no longer", async () => {
  const leaver = new AbortController();
  const { outcome } = write([raise(refusal)], new Promise(() => {}), leaver.signal);

  leaver.abort(new Error("gone"));

  await expect(outcome).rejects.toThrow("gone");
});

// vitest fails where nobody catches what is rejected, and so would the service end.
test("what cannot be ended after its caller has left is nobody's error", async () => {
  const orphans = Promise.withResolvers<void>();
  const { outcome } = write([raise(refusal)], orphans.promise, AbortSignal.abort(new Error("gone")));

  await expect(outcome).rejects.toThrow("gone");
  orphans.reject(new Error("away"));
  await new Promise((resolve) => setImmediate(resolve));
});
