import { expect, test } from "vitest";
import { conclusively } from "../src/db/engine/conclusive.ts";
import type { Database } from "../src/db/engine/database.ts";
import { DomainError, outcomeUnknown } from "../src/errors.ts";
import { createLender } from "../src/db/engine/lender.ts";
import type { Lease, Pool } from "../src/db/engine/pool.ts";

const refusal = new DomainError("INSUFFICIENT_STOCK", "too little");
const full = new DomainError("POOL_EXHAUSTED", "full");

/** Runs a write that ends in these ways, one after the other, beside what was left behind. */
function write(ends: readonly (() => unknown)[], leftBehind: Promise<unknown>, signal = forever) {
  const runs: unknown[] = [];
  const query = async (): Promise<unknown> => ends[runs.push(0) - 1]!();
  const db = { leftBehind: () => leftBehind, query } as unknown as Database;
  const budget = { signal, deadlineMs: Infinity };
  const outcome = conclusively<unknown>(db, budget, (writer) => writer.query(nothing, [], budget));
  return { runs, outcome };
}

const nothing = { name: "test.nothing", text: "", readsOnly: false };
const forever = new AbortController().signal;
const raise = (error: Error) => (): never => {
  throw error;
};

test("a call whose outcome is unknown stays so, although its own session was left behind", async () => {
  const { runs, outcome } = write([raise(outcomeUnknown(undefined)), () => "again"], Promise.resolve());

  await expect(outcome).rejects.toMatchObject({ kind: "outcome_unknown" });
  expect(runs).toHaveLength(1);
});

test("a set that has done some of its work is not called undone when its second run fails", async () => {
  const { outcome } = write([() => ["created", refusal], raise(full)], Promise.resolve());

  await expect(outcome).rejects.toMatchObject({ kind: "outcome_unknown" });
});

test("a refusal is answered when what was left behind has gone and the write was refused again", async () => {
  const gone = Promise.withResolvers<void>();
  const { runs, outcome } = write([raise(refusal), raise(refusal)], gone.promise);
  await Promise.resolve();
  const before = runs.length;

  gone.resolve();

  await expect(outcome).rejects.toBe(refusal);
  expect([before, runs.length]).toEqual([1, 2]);
});

test("a refusal is not answered when what was left behind before it has gone meanwhile, and may have happened", async () => {
  const remaining: Promise<void>[] = [Promise.resolve()];
  const ends = [raise(refusal), () => "it had happened"];
  const query = async (): Promise<unknown> => {
    remaining.length = 0;
    return ends.shift()!();
  };
  const db = { leftBehind: () => remaining[0], query } as unknown as Database;
  const budget = { signal: forever, deadlineMs: Infinity };

  const outcome = await conclusively<unknown>(db, budget, (writer) => writer.query(nothing, [], budget));

  expect(outcome).toBe("it had happened");
});

test("a refusal is no answer where what was left behind cannot be ended", async () => {
  const { outcome } = write([raise(refusal)], Promise.reject(new Error("away")));

  await expect(outcome).rejects.toMatchObject({ kind: "outcome_unknown" });
});

test("a caller waits for what was left behind until its signal aborts, and no longer", async () => {
  const leaver = new AbortController();
  const { outcome } = write([raise(refusal)], new Promise(() => {}), leaver.signal);

  leaver.abort(new Error("gone"));

  await expect(outcome).rejects.toThrow("gone");
});

// vitest fails where nobody catches what is rejected, and so would the service end.
test("what cannot be ended after its caller has left is nobody's error", async () => {
  const leftBehind = Promise.withResolvers<void>();
  const { outcome } = write([raise(refusal)], leftBehind.promise, AbortSignal.abort(new Error("gone")));

  await expect(outcome).rejects.toThrow("gone");
  leftBehind.reject(new Error("away"));
  await new Promise((resolve) => setImmediate(resolve));
});

test("a session that was left behind is ended although the pool was full at first", async () => {
  const [asked, sent]: [number[], string[]] = [[], []];
  const lease = {
    client: { query: async (text: string) => ({ rows: sent.push(text) > 0 ? [{ ended: true }] : [] }) },
    session: { processId: 2, applicationName: "another" },
    release() {},
  } as unknown as Lease;
  const pool: Pick<Pool, "acquire"> = {
    async acquire() {
      if (asked.push(0) < 3) throw full;
      return lease;
    },
  };
  const lender = createLender(pool as Pool, "postgresql");

  lender.leave({ processId: 1, applicationName: "doubtful" });
  await lender.leftBehind();

  expect(asked).toHaveLength(3);
  expect(sent).toEqual([expect.stringContaining("pg_terminate_backend")]);
  expect(lender.leftBehind()).toBeUndefined();
});
