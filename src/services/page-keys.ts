/** A key that signs page tokens, and the number of the period that it is of. */
type PageKey = { readonly period: number; readonly key: Buffer };

/** The keys that sign page tokens. Each period has its own, so that one that was seen is soon of no use. */
export type PageKeys = {
  /** The key that signs now. */
  readonly current: () => PageKey;
  /** The key of a period whose tokens are taken now; of `undefined`, the key of before there were periods. */
  readonly find: (period: number | undefined) => Promise<Buffer | undefined>;
};

/** Long beside the minutes in which a list is read. */
const PERIOD_MS = 30 * 24 * 3_600_000;
/** A token that was made at the end of a period is taken for one more at least. */
const PERIODS_KEPT = 1;

/** Reads keys, which all replicas share; the first that asks for the key of a period makes it. */
export type ReadKeys = {
  readonly ofPeriod: (period: number) => Promise<Buffer>;
  readonly ofBefore: () => Promise<Buffer | undefined>;
};

/** Reads the keys of now; those of later periods are read when they begin. `now` is for tests. */
export async function createPageKeys(read: ReadKeys, now = Date.now): Promise<PageKeys> {
  const keys = new Map<number, Promise<Buffer>>();
  const periodOf = (): number => Math.floor(now() / PERIOD_MS);
  const load = (period: number): Promise<Buffer> => {
    const known = keys.get(period);
    if (known) return known;
    const loading = read.ofPeriod(period);
    keys.set(period, loading);
    loading.catch(() => keys.delete(period));
    return loading;
  };
  const before = await read.ofBefore();
  let signing: PageKey = { period: periodOf(), key: await load(periodOf()) };
  let following = signing.period;
  const follow = async (period: number): Promise<void> => {
    signing = { period, key: await load(period) };
    for (const old of keys.keys()) if (old < period - PERIODS_KEPT) keys.delete(old);
  };
  return {
    current() {
      const period = periodOf();
      // The old one signs until the new one is there; its tokens are taken as long.
      if (period !== following) {
        following = period;
        follow(period).catch(() => (following = signing.period));
      }
      return signing;
    },
    async find(period) {
      if (period === undefined) return before;
      // The clocks of replicas may disagree about when a period begins.
      const isTaken = period >= periodOf() - PERIODS_KEPT && period <= periodOf() + 1;
      return isTaken ? load(period) : undefined;
    },
  };
}
