import { inject, onTestFinished, vi } from "vitest";
import type { Config, Connection } from "../../src/config.ts";
import { createDatabase, type Database } from "../../src/db/engine/database.ts";
import type { Budget } from "../../src/db/engine/retry.ts";
import { startProxy, type Proxy } from "./proxy.ts";

/** Enough for what a test does. */
export const limits: Config["pool"] = {
  connsMax: 4,
  connsMin: 0,
  queueMax: 100,
  waitMsMax: 10_000,
  lifetimeMs: 300_000,
  idleMsMax: 300_000,
};

/** Opens a database for one test, which fails if the pool has not got all its places back in the end. */
export function openDatabase(connection: Connection, change: Partial<Config["pool"]> = {}): Database {
  const db = createDatabase(connection, inject("engine").engine, { ...limits, ...change });
  onTestFinished(async () => {
    const isAtRest = (): boolean => db.stats().used === 0 && db.stats().waiting === 0;
    await vi.waitUntil(isAtRest, { timeout: 10_000 });
    await takeAll(db);
    await db[Symbol.asyncDispose]();
  });
  return db;
}

/** Has as many transactions open at once as there are places, which is impossible when one has leaked. */
async function takeAll(db: Database): Promise<void> {
  const { max } = db.stats();
  const all = Promise.withResolvers<void>();
  let taken = 0;
  const take = (): Promise<void> => {
    if (++taken === max) all.resolve();
    return all.promise;
  };
  await Promise.all(Array.from({ length: max }, () => db.transaction(budget(), take)));
}

/** Opens a proxy for one test. */
export async function openProxy(upstream: Connection): Promise<Proxy> {
  const proxy = await startProxy(upstream);
  onTestFinished(() => proxy[Symbol.asyncDispose]());
  return proxy;
}

/** The budget of a caller who waits for ten seconds, or until the signal aborts. */
export function budget(signal: AbortSignal = new AbortController().signal, ms = 10_000): Budget {
  return { signal, deadlineMs: Date.now() + ms };
}

/** What a call fails with. */
export function reasonOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => "it did not fail",
    (error: unknown) => error,
  );
}
