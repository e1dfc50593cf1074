/** How long and how much is measured. */
export type Plan = {
  /** Slices of each contestant in each row. */
  readonly alternations: number;
  /** In milliseconds: load before a slice is measured, and the measured part of it. */
  readonly warmMs: number;
  readonly measureMs: number;
  /**
   * Load on each server before its first slice, in which its code is compiled; 0 for none, and none for bulk
   * calls either.
   */
  readonly firstWarmMs: number;
  /** Orders in the tables before the bench begins. */
  readonly orders: number;
  /** Of what rows prepare for themselves. */
  readonly scale: number;
  /** Callers of the flash sales. */
  readonly crowds: readonly number[];
  readonly starts: number;
};

/** What docs/performance.md shows: at most ten minutes. */
export const whole: Plan = {
  alternations: 5,
  warmMs: 400,
  measureMs: 1_200,
  firstWarmMs: 1_000,
  orders: 100_000,
  scale: 1,
  crowds: [64, 256, 512],
  starts: 5,
};

/** A look whether all runs: at most a minute. Its figures say little. */
export const quick: Plan = {
  alternations: 1,
  warmMs: 100,
  measureMs: 400,
  firstWarmMs: 0,
  orders: 2_000,
  scale: 0.1,
  crowds: [64, 512],
  starts: 1,
};
