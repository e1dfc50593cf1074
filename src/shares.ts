/** Shares of something that is bounded. A holder is whatever tells its owners apart. */
export type Shares<Holder> = {
  readonly take: (holder: Holder, amount?: number) => boolean;
  readonly release: (holder: Holder, amount?: number) => void;
  readonly taken: () => number;
};

export function createShares<Holder>({ max, floor }: { max: number; floor: number }): Shares<Holder> {
  const held = new Map<Holder, number>();
  let taken = 0;
  return {
    take(holder, amount = 1) {
      const mine = held.get(holder) ?? 0;
      if (taken + amount > max || mine + amount > Math.max(floor, max - taken)) return false;
      held.set(holder, mine + amount);
      taken += amount;
      return true;
    },
    release(holder, amount = 1) {
      const mine = (held.get(holder) ?? 0) - amount;
      if (mine > 0) held.set(holder, mine);
      else held.delete(holder);
      taken -= amount;
    },
    taken: () => taken,
  };
}
