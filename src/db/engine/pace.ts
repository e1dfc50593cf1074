/** How long batches take, and when one is late. */
export type Pace = {
  /** A batch that takes longer is held up: by a locked row, a dead connection. */
  overdueMs(): number;
  /** How long a batch may go on after one of its callers has left. */
  leftMs(): number;
  /**
   * Takes note of a batch that has ended, or was stopped because it was late: it may just have been large.
   */
  note(elapsedMs: number): void;
};

/** Far above what a batch takes beside its database, and far below what a caller would call an outage. */
const overdueMsMin = 100;
/** Where the database is slow for all batches, none is held up: they are late later. */
const overdueFactor = 8;
const overdueMsMax = 1_000;
/** A caller that has left may be back at another replica before its request has happened here. */
const leftMsMin = 20;
const leftFactor = 3;
/** The weight of a batch's time in the moving average. */
const weight = 0.1;

/** Learns the pace from the batches that end. */
export function createPace(): Pace {
  let typicalMs = 0;
  const within = (min: number, ms: number): number => Math.min(Math.max(min, ms), overdueMsMax);
  return {
    overdueMs: () => within(overdueMsMin, overdueFactor * typicalMs),
    leftMs: () => within(leftMsMin, leftFactor * typicalMs),
    note(elapsedMs) {
      typicalMs += weight * (Math.min(elapsedMs, overdueMsMax) - typicalMs);
    },
  };
}
