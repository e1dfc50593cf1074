import { createSecretKey, type KeyObject } from "node:crypto";

/**
 * A key that signs page tokens, and its period's number. A KeyObject, made once: a Buffer becomes one
 * again for each signature, which took five sixths of its time.
 */
type PageKey = { readonly period: number; readonly key: KeyObject };

/** The keys that sign page tokens. Each period has its own, so that a key that leaks soon becomes useless. */
export type PageKeys = {
  /** The key that signs now. */
  readonly current: () => PageKey;
  /**
   * Returns the key of a period, undefined if its tokens have expired. `undefined` stands for the key from
   * before there were periods.
   */
  readonly find: (period: number | undefined) => Promise<KeyObject | undefined>;
};

/** Much longer than the minutes in which a list is read. */
const PERIOD_MS = 30 * 24 * 3_600_000;
/** A token from the end of a period stays valid for at least one more. */
const PERIODS_KEPT = 1;

/** Reads keys, which all replicas share. The first replica that reads a period's key creates it. */
export type ReadKeys = {
  readonly ofPeriod: (period: number) => Promise<Buffer>;
  readonly ofBefore: () => Promise<Buffer | undefined>;
};

/** Reads the current keys; those of later periods are read when they begin. `now` is for tests. */
export async function createPageKeys(read: ReadKeys, now = Date.now): Promise<PageKeys> {
  const keys = new Map<number, Promise<KeyObject>>();
  const periodOf = (): number => Math.floor(now() / PERIOD_MS);
  const load = (period: number): Promise<KeyObject> => {
    const known = keys.get(period);
    if (known) return known;
    const loading = read.ofPeriod(period).then(createSecretKey);
    keys.set(period, loading);
    loading.catch(() => keys.delete(period));
    return loading;
  };
  const stored = await read.ofBefore();
  const before = stored && createSecretKey(stored);
  let signing: PageKey = { period: periodOf(), key: await load(periodOf()) };
  let following = signing.period;
  const follow = async (period: number): Promise<void> => {
    signing = { period, key: await load(period) };
    for (const old of keys.keys()) if (old < period - PERIODS_KEPT) keys.delete(old);
  };
  return {
    current() {
      const period = periodOf();
      // The old key signs until the new one is loaded; its tokens are valid that long.
      if (period !== following) {
        following = period;
        follow(period).catch(() => (following = signing.period));
      }
      return signing;
    },
    async find(period) {
      if (period === undefined) return before;
      // The clocks of replicas may differ about when a period begins.
      const isTaken = period >= periodOf() - PERIODS_KEPT && period <= periodOf() + 1;
      return isTaken ? load(period) : undefined;
    },
  };
}
