/**
 * Fair shares of a bounded resource. A holder is any value that identifies an owner. A holder may have
 * `floor`, or as much as is left for all others.
 */
export type Shares<Holder> = {
  /** Whether the holder could take `amount` more. */
  readonly has: (holder: Holder, amount?: number) => boolean;
  readonly take: (holder: Holder, amount?: number) => boolean;
  readonly release: (holder: Holder, amount?: number) => void;
  readonly taken: () => number;
};

export function createShares<Holder>({ max, floor }: { max: number; floor: number }): Shares<Holder> {
  const held = new Map<Holder, number>();
  let taken = 0;
  const mineOf = (holder: Holder): number => held.get(holder) ?? 0;
  const has = (holder: Holder, amount = 1): boolean =>
    taken + amount <= max && mineOf(holder) + amount <= Math.max(floor, max - taken);
  return {
    has,
    take(holder, amount = 1) {
      if (!has(holder, amount)) return false;
      held.set(holder, mineOf(holder) + amount);
      taken += amount;
      return true;
    },
    release(holder, amount = 1) {
      const mine = mineOf(holder) - amount;
      if (mine > 0) held.set(holder, mine);
      else held.delete(holder);
      taken -= amount;
    },
    taken: () => taken,
  };
}
