import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Engine } from "../src/config.ts";
import { createLender } from "../src/db/engine/lender.ts";
import type { Lease, Pool } from "../src/db/engine/pool.ts";
import { AttemptError, type Budget, type Phase } from "../src/db/engine/retry.ts";
import { serverError, wireError } from "./support/failures.ts";
import { settle } from "./support/batchers.ts";
import { reasonOf } from "./support/pools.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] }));
afterEach(() => void vi.useRealTimers());

/** A lender of connections, which are numbered, and what becomes of them. */
function openLender(engine: Engine = "postgresql") {
  const seen: string[] = [];
  const cancelled = Promise.withResolvers<void>();
  let connections = 0;
  const acquire = async (): Promise<Lease> => {
    const own = ++connections;
    return {
      engine,
      session: { processId: own, applicationName: `session ${own}` },
      client: {
        async query(_: string, [processId]: [number]) {
          seen.push(`${own} ends ${processId}`);
          return { rows: [{ ended: true }] };
        },
      } as unknown as Lease["client"],
      cancel() {
        seen.push(`${own} is cancelled`);
        return cancelled.promise;
      },
      release: (sound) => void seen.push(`${own} ${sound ? "goes back" : "is destroyed"}`),
    };
  };
  const pool = {
    acquire,
    renew: (stale?: string) => stale !== undefined && seen.push(`renew ${stale}`),
  };
  return { seen, cancelled, lender: createLender(pool as unknown as Pool, engine) };
}

const patient = (signal = new AbortController().signal, deadlineMs = Infinity): Budget => ({
  signal,
  deadlineMs,
});

const never = (): Promise<never> => new Promise(() => {});

test("a connection whose caller has left goes back when the cancellation has arrived, and not before", async () => {
  const { seen, cancelled, lender } = openLender();
  const [caller, used] = [new AbortController(), Promise.withResolvers<string>()];
  const call = reasonOf(lender.lend(patient(caller.signal), "committing", () => used.promise));
  await settle();

  caller.abort(new Error("left"));
  used.resolve("done");
  await settle();
  const before = [...seen];
  cancelled.resolve();
  await lender.leftBehind();

  expect(await call).toEqual(new Error("left"));
  expect([before, seen]).toEqual([["1 is cancelled"], ["1 is cancelled", "1 goes back"]]);
  expect(lender.leftBehind()).toBeUndefined();
});

test.each<[Phase, string[]]>([
  ["committing", ["2 ends 1", "2 goes back"]],
  ["executing", []],
])("what does not end after its caller has left is destroyed (%s)", async (phase, then) => {
  const { seen, cancelled, lender } = openLender();
  const caller = new AbortController();
  const call = reasonOf(lender.lend(patient(caller.signal), phase, never));
  await settle();

  cancelled.resolve();
  caller.abort(new Error("left"));
  await settle();
  const before = [...seen];
  vi.advanceTimersByTime(250);
  await lender.leftBehind();
  await call;

  expect(before).toEqual(["1 is cancelled"]);
  expect(seen.slice(1)).toEqual(["1 is destroyed", ...then]);
});

test("a connection to CockroachDB on which something was cancelled is not used again", async () => {
  const { seen, cancelled, lender } = openLender("cockroachdb");
  const [caller, used] = [new AbortController(), Promise.withResolvers<string>()];
  const call = reasonOf(lender.lend(patient(caller.signal), "executing", () => used.promise));
  await settle();

  cancelled.resolve();
  caller.abort(new Error("left"));
  used.resolve("done");
  await lender.leftBehind();
  await call;

  expect(seen).toEqual(["1 is cancelled", "1 is destroyed"]);
});

test.each<[string, Phase, Error, string[]]>([
  ["in doubt", "committing", wireError("ECONNRESET"), ["1 is unsettled", "1 is destroyed"]],
  ["lost inside of a transaction", "inside", wireError("ECONNRESET"), ["1 is unsettled", "1 is destroyed"]],
  ["lost while it reads", "executing", wireError("ECONNRESET"), ["1 is destroyed"]],
  ["refused", "committing", serverError("23514"), ["1 goes back"]],
  ["in conflict", "inside", serverError("40001"), ["1 goes back"]],
  ["ended by its node", "executing", serverError("57P01"), ["1 is destroyed"]],
  ["of an old plan", "executing", serverError("0A000"), ["renew plan", "1 is destroyed"]],
  ["of a standby", "committing", serverError("25006"), ["renew server", "1 is destroyed"]],
])("the connection of an attempt that is %s fares as it must", async (_, phase, cause, expected) => {
  const { seen, lender } = openLender();
  const onUnsettled = ({ processId }: { processId: number }) => void seen.push(`${processId} is unsettled`);
  const attempt = async () => {
    throw new AttemptError("postgresql", phase, cause);
  };

  const failed = await reasonOf(lender.lend(patient(), phase, attempt, { onUnsettled }));

  expect(failed).toMatchObject({ cause, phase });
  expect(seen).toEqual(expected);
});

test("an attempt that is not answered in half of the time left is given up, and in doubt if it writes", async () => {
  const { seen, lender } = openLender();
  const failed = reasonOf(lender.lend(patient(undefined, Date.now() + 10_000), "committing", never));
  await settle();

  vi.advanceTimersByTime(4_999);
  await settle();
  const before = [...seen];
  vi.advanceTimersByTime(20);
  await settle();

  expect([before, seen]).toEqual([[], ["1 is cancelled", "1 is destroyed"]]);
  expect(await failed).toMatchObject({ fate: "ambiguous" });
});

test("an attempt has a second, however little time is left of it", async () => {
  const { seen, lender } = openLender();
  const failed = reasonOf(lender.lend(patient(undefined, Date.now() + 1_500), "executing", never));
  await settle();

  vi.advanceTimersByTime(999);
  await settle();
  const before = [...seen];
  vi.advanceTimersByTime(1);

  expect(await failed).toMatchObject({ fate: "disconnected" });
  expect(before).toEqual([]);
});

test("an attempt that must not be sent any more is not, and its connection goes back", async () => {
  const { seen, lender } = openLender();
  const throwIfStale = (): never => {
    throw new Error("stale");
  };

  const failed = await reasonOf(
    lender.lend({ ...patient(), throwIfStale }, "committing", async () => seen.push("sent")),
  );

  expect(failed).toEqual(new Error("stale"));
  expect(seen).toEqual(["1 goes back"]);
});
