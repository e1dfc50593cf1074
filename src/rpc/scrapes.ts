import { setTimeout as sleep } from "node:timers/promises";
import { bounds } from "../bounds.ts";

/**
 * Shares a scrape among those who wait for one: at most one runs at a time, for at most a fifth of all time.
 * What is answered was scraped after it was asked for, so that it shows whatever happened before.
 */
export function shareScrapes<T>(scrape: () => Promise<T>): () => Promise<T> {
  let running: Promise<unknown> = Promise.resolve();
  let next: Promise<T> | undefined;
  const run = async (before: Promise<unknown>): Promise<T> => {
    await before;
    // Who asks from now on may know of what this one does not see.
    next = undefined;
    const beginMs = performance.now();
    const scraped = scrape();
    running = scraped
      .catch(() => {})
      .then(() => sleep((bounds.scrapeShare.max - 1) * (performance.now() - beginMs), undefined, UNREF));
    return scraped;
  };
  return () => (next ??= run(running));
}

const UNREF = { ref: false };
