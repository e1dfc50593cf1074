import { inject, onTestFinished, vi } from "vitest";
import type { Config, Connection } from "../../src/config.ts";
import { createDatabase, type Database } from "../../src/db/engine/database.ts";
import type { Deadline } from "../../src/db/engine/deadline.ts";
import { statement } from "../../src/db/engine/statement.ts";
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

const sleep = statement("test.sleep_in_pool", "select pg_sleep(60)");

/** Has as many statements under way as there are places, which is impossible when one has leaked. */
async function takeAll(db: Database): Promise<void> {
  const { max } = db.stats();
  const leaver = new AbortController();
  const all = Array.from({ length: max }, () => reasonOf(db.query(sleep, [], deadline(leaver.signal))));
  try {
    await vi.waitUntil(() => db.stats().used === max && db.stats().waiting === 0, { timeout: 10_000 });
  } finally {
    leaver.abort();
    await Promise.all(all);
    await vi.waitUntil(() => db.stats().used === 0, { timeout: 10_000 });
  }
}

/** Opens a proxy for one test. */
export async function openProxy(upstream: Connection): Promise<Proxy> {
  const proxy = await startProxy(upstream);
  onTestFinished(() => proxy[Symbol.asyncDispose]());
  return proxy;
}

/** The deadline of a caller who waits for ten seconds, or until the signal aborts. */
export function deadline(signal: AbortSignal = new AbortController().signal, ms = 10_000): Deadline {
  return { signal, deadlineMs: Date.now() + ms };
}

/** What a call fails with. */
export function reasonOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => "it did not fail",
    (error: unknown) => error,
  );
}
