import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Database } from "../src/db/engine/database.ts";
import { decide, type StoredRefusal, toMark, toRefusal } from "../src/db/refusals.ts";
import { keepSweeping } from "../src/db/sweep-refusals.ts";
import { insufficientStock, ofChange, requestIdReused, restoreError } from "../src/errors.ts";
import { toConnectError } from "../src/rpc/status.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

const call = { fingerprint: "this call", refusalMs: 60_000 };
const keep = { name: "test.keep", text: "", readsOnly: false };

test("a refusal that was kept is told as it was at first", () => {
  const refused = ofChange(3, insufficientStock([{ productId: "a lamp", onHand: 1n, requested: 2n }]));

  const { id, refusal, keptMs } = toMark("an id", refused, call);
  const restored = toRefusal(JSON.parse(refusal) as StoredRefusal, call);

  expect({ id, keptMs }).toEqual({ id: "an id", keptMs: 60_000 });
  expect(restored).toEqual(refused);
  expect(toConnectError(restored)).toEqual(toConnectError(refused));
});

test("a refusal for a reason of a later release is told with its code and facts", () => {
  const facts = { metadata: { id: "of a product" } };
  const stored = { kind: "failed_precondition", reason: "OF_TOMORROW", message: "not today", facts };

  const restored = restoreError(stored);

  expect(restored).toMatchObject(stored);
  expect(toConnectError(restored).message).toBe("[failed_precondition] not today");
});

test("a refusal whose mark is in the way of something is no answer: the call is decided anew", async () => {
  const rounds = [new Map([[0, requestIdReused()]]), new Map<number, never>()];
  const run = async (): Promise<never[]> => [];
  const outcomes = await decide<typeof call, string>(run, [call], {
    idOf: () => "an id",
    keep,
    async write(_, found) {
      const refusals = rounds.shift()!;
      if (refusals.size === 0) found[0] = "it had happened";
      return refusals;
    },
  });

  expect(outcomes).toEqual(["it had happened"]);
});

test("a call that is never decided ends in doubt", async () => {
  const deciding = decide<typeof call, string>(async () => [], [call], {
    idOf: () => "an id",
    keep,
    write: async () => new Map([[0, requestIdReused()]]),
  });

  await expect(deciding).rejects.toMatchObject({ reason: "COMMIT_OUTCOME_UNKNOWN" });
});

test("what has expired is swept once a minute, until the end, also when the database was away", async () => {
  const swept: string[] = [];
  const query = async ({ name }: { readonly name: string }): Promise<never[]> => {
    swept.push(name);
    if (swept.length === 1) throw new Error("away");
    return [];
  };
  const failures: unknown[] = [];
  const fail = (error: unknown): void => void failures.push(error);
  const sweeping = keepSweeping({ engine: "postgresql", query } as unknown as Database, fail);

  await vi.advanceTimersByTimeAsync(59_000);
  const before = [...swept];
  await vi.advanceTimersByTimeAsync(1_000);
  await vi.advanceTimersByTimeAsync(60_000);
  sweeping[Symbol.dispose]();
  await vi.advanceTimersByTimeAsync(600_000);

  expect(before).toEqual([]);
  expect(failures).toEqual([new Error("away")]);
  expect(swept).toEqual([
    "order_events.sweep",
    ...["order_events", "user_changes", "stock_movements", "imports"].map((table) => `${table}.sweep`),
  ]);
});

test("CockroachDB is not swept, which does so by itself", async () => {
  const query = vi.fn<() => Promise<never[]>>();
  using _ = keepSweeping({ engine: "cockroachdb", query } as unknown as Database, () => {});

  await vi.advanceTimersByTimeAsync(60_000);

  expect(query).not.toHaveBeenCalled();
});
