import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Engine } from "../src/config.ts";
import { attempt, terminate, terminateLater } from "../src/db/engine/attempt.ts";
import type { Deadline } from "../src/db/engine/deadline.ts";
import type { Phase } from "../src/db/engine/judge.ts";
import type { Checkout, Pool } from "../src/db/engine/pool.ts";
import { DomainError } from "../src/errors.ts";
import { openTestPool } from "./support/attempts.ts";
import { settle } from "./support/batchers.ts";
import { serverError, wireError } from "./support/failures.ts";
import { reasonOf } from "./support/pools.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] }));
afterEach(() => void vi.useRealTimers());

const open = (engine?: Engine) => openTestPool(() => Promise.reject(new Error("nothing is sent")), engine);

const patient = (signal = new AbortController().signal, deadlineMs = Infinity): Deadline => ({
  signal,
  deadlineMs,
});

/** Makes an attempt whose work has come so far, and ends like this. */
function attemptAt<T>(pool: Pool, deadline: Deadline, phase: Phase, work: () => Promise<T>) {
  return attempt(pool, deadline, (_, progress) => {
    Object.assign(progress, { phase, wasPrepared: true });
    return work();
  });
}

const never = (): Promise<never> => new Promise(() => {});

test("a connection whose caller has left goes back when the cancellation has arrived, and not before", async () => {
  const { seen, cancelled, pool } = open();
  const [caller, used] = [new AbortController(), Promise.withResolvers<string>()];
  const call = reasonOf(attemptAt(pool, patient(caller.signal), "committing", () => used.promise));
  await settle();

  caller.abort(new Error("left"));
  used.resolve("done");
  await settle();
  const before = [...seen];
  cancelled.resolve();
  await settle();

  expect(await call).toEqual(new Error("left"));
  expect([before, seen]).toEqual([["1 is cancelled"], ["1 is cancelled", "1 goes back"]]);
});

test.each<[Phase, string[]]>([
  ["committing", ["2 ends 1", "2 goes back"]],
  ["inside", ["2 ends 1", "2 goes back"]],
  ["executing", []],
])("what does not end after its caller has left is destroyed (%s)", async (phase, then) => {
  const { seen, cancelled, pool } = open();
  const caller = new AbortController();
  const call = reasonOf(attemptAt(pool, patient(caller.signal), phase, never));
  await settle();

  cancelled.resolve();
  caller.abort(new Error("left"));
  await settle();
  const before = [...seen];
  vi.advanceTimersByTime(250);
  await settle();
  await call;

  expect(before).toEqual(["1 is cancelled"]);
  expect(seen.slice(1)).toEqual(["1 is destroyed", ...then]);
});

test("what is lost in doubt after its caller has left is ended", async () => {
  const { seen, cancelled, pool } = open();
  const [caller, used] = [new AbortController(), Promise.withResolvers<string>()];
  const call = reasonOf(attemptAt(pool, patient(caller.signal), "committing", () => used.promise));
  await settle();

  caller.abort(new Error("left"));
  used.reject(wireError("ECONNRESET"));
  cancelled.resolve();
  await settle();
  await call;

  expect(seen).toEqual(["1 is cancelled", "1 is destroyed", "2 ends 1", "2 goes back"]);
});

test.each<Phase>(["executing", "committing"])(
  "a connection to CockroachDB is not used again after a cancellation, nor ended if it has ended (%s)",
  async (phase) => {
    const { seen, cancelled, pool } = open("cockroachdb");
    const [caller, used] = [new AbortController(), Promise.withResolvers<string>()];
    const call = reasonOf(attemptAt(pool, patient(caller.signal), phase, () => used.promise));
    await settle();

    cancelled.resolve();
    caller.abort(new Error("left"));
    used.resolve("done");
    await settle();
    await call;

    expect(seen).toEqual(["1 is cancelled", "1 is destroyed"]);
  },
);

test.each<[string, Phase, Error, boolean, string[]]>([
  ["in doubt", "committing", wireError("ECONNRESET"), true, ["1 is destroyed"]],
  ["lost inside of a transaction", "inside", wireError("ECONNRESET"), true, ["1 is destroyed"]],
  ["lost while it reads", "executing", wireError("ECONNRESET"), false, ["1 is destroyed"]],
  ["refused", "committing", serverError("23514"), false, ["1 goes back"]],
  ["in conflict", "inside", serverError("40001"), false, ["1 goes back"]],
  ["ended by its node", "executing", serverError("57P01"), false, ["1 is destroyed"]],
  ["of an old plan", "executing", serverError("0A000"), false, ["renew plan", "1 is destroyed"]],
  ["of a standby", "committing", serverError("25006"), false, ["renew server", "1 is destroyed"]],
])("the connection of an attempt that is %s fares as it must", async (_, phase, cause, mayAct, expected) => {
  const { seen, pool } = open();

  const failed = await attemptAt(pool, patient(), phase, () => Promise.reject(cause));

  expect(failed).toMatchObject({ ok: false, cause, phase, session: { processId: 1 } });
  expect(failed).toMatchObject({ judgement: { mayStillAct: mayAct } });
  expect(seen).toEqual(expected);
});

test("an attempt that is not answered in half of the time left is given up, and in doubt if it writes", async () => {
  const { seen, pool } = open();
  const failed = attemptAt(pool, patient(undefined, Date.now() + 10_000), "committing", never);
  await settle();

  vi.advanceTimersByTime(4_999);
  await settle();
  const before = [...seen];
  vi.advanceTimersByTime(20);
  await settle();

  expect([before, seen]).toEqual([[], ["1 is cancelled", "1 is destroyed"]]);
  expect(await failed).toMatchObject({ judgement: { disposition: "ambiguous", mayStillAct: true } });
});

test("an attempt has a second, however little time is left of it", async () => {
  const { seen, pool } = open();
  const failed = attemptAt(pool, patient(undefined, Date.now() + 1_500), "executing", never);
  await settle();

  vi.advanceTimersByTime(999);
  await settle();
  const before = [...seen];
  vi.advanceTimersByTime(1);

  expect(await failed).toMatchObject({ judgement: { disposition: "disconnected" } });
  expect(before).toEqual([]);
});

test("an attempt that must not be sent any more is not, and its connection goes back", async () => {
  const { seen, pool } = open();
  const throwIfStale = (): never => {
    throw new Error("stale");
  };

  const failed = await reasonOf(
    attemptAt(pool, { ...patient(), throwIfStale }, "committing", async () => seen.push("sent")),
  );

  expect(failed).toEqual(new Error("stale"));
  expect(seen).toEqual(["1 goes back"]);
});

test("a caller who leaves while it waits for a connection hears the reason of its signal", async () => {
  const { pool } = open();
  const caller = new AbortController();
  const checkOut = async (): Promise<never> => {
    caller.abort(new Error("left"));
    throw wireError("ECONNREFUSED");
  };

  const failed = await reasonOf(attemptAt({ ...pool, checkOut }, patient(caller.signal), "executing", never));

  expect(failed).toEqual(new Error("left"));
});

test("a session in doubt is ended although the pool was full at first", async () => {
  const { seen, pool } = open();
  let asked = 0;
  const checkOut: Pool["checkOut"] = (deadline) =>
    ++asked < 3 ? Promise.reject(new DomainError("POOL_EXHAUSTED", "full")) : pool.checkOut(deadline);
  vi.useRealTimers();

  await terminateLater({ ...pool, checkOut }, { processId: 7, id: "doubtful", node: "" });

  expect(asked).toBe(3);
  expect(seen).toEqual(["1 ends 7", "1 goes back"]);
});

test("a node that is to end a session is not to blame where the node of that session does not answer", async () => {
  const { pool } = open("cockroachdb");
  const faults: unknown[] = [];
  const checkOut: Pool["checkOut"] = async (...asked) => ({
    ...(await pool.checkOut(...asked)),
    client: { query: never } as unknown as Checkout["client"],
    release: (_, nodeFault) => void faults.push(nodeFault),
  });
  const session = { processId: 1, id: "0".repeat(32), node: "2" };

  const ended = terminate({ ...pool, checkOut }, session, patient(undefined, Date.now() + 4_000));
  await settle();
  vi.advanceTimersByTime(4_000);

  expect(await ended).toMatchObject({ ok: false, phase: "executing" });
  expect(faults).toEqual([undefined]);
});

test("a transaction that was rolled back because its caller has left leaves a sound connection", async () => {
  const { seen, cancelled, pool } = open();
  const [caller, used] = [new AbortController(), Promise.withResolvers<string>()];
  const call = reasonOf(attemptAt(pool, patient(caller.signal), "inside", () => used.promise));
  await settle();

  caller.abort(new Error("left"));
  used.reject(caller.signal.reason);
  cancelled.resolve();
  await settle();
  await call;

  expect(seen).toEqual(["1 is cancelled", "1 goes back"]);
});

test.each([
  ["has not ended yet", false, ["1 ends 7", "1 goes back"]],
  ["is on a node that cannot be asked", serverError("XXUUU"), ["1 ends 7", "1 goes back"]],
])("a session that %s is ended again, until the deadline", async (_, ending, first) => {
  const { seen, endings, pool } = open();
  endings.push(ending);

  const failed = await terminate(pool, { processId: 7, id: "doubtful", node: "" }, patient());
  const ended = await terminate(pool, { processId: 7, id: "doubtful", node: "" }, patient());

  expect(failed).toMatchObject({ phase: "executing", judgement: { disposition: "disconnected" } });
  expect([seen, ended]).toEqual([[...first, "2 ends 7", "2 goes back"], undefined]);
});
