/** How long batches take, and from when on one of them is late. */
export type Pace = {
  /** After this, something holds a batch up: a locked row, a dead connection. */
  overdueMs(): number;
  /** How long a batch has that goes on although one of its callers has left. */
  leftMs(): number;
  /**
   * Takes note of a batch that has ended, or was stopped because it was late: it may just have been large.
   */
  note(elapsedMs: number): void;
};

/** Far above what a batch takes beside its database, and far below what a caller would call an outage. */
const overdueMsMin = 100;
/** A database that is slow for all is not one that holds up some: then batches are late later. */
const overdueFactor = 8;
const overdueMsMax = 1_000;
/** A caller who has left may be back at another replica before its request has happened here. */
const leftMsMin = 20;
const leftFactor = 3;
/** How much of a batch's time goes into the typical one. */
const weight = 0.1;

/** Learns a pace from the batches that have it. */
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
