import { setTimeout as sleep } from "node:timers/promises";
import { bounds } from "../bounds.ts";

/**
 * Shares scrapes among concurrent requests: one runs at a time, for at most a fifth of all time. Each request
 * gets a scrape that began after it, so that it includes everything before the request.
 */
export function shareScrapes<T>(scrape: () => Promise<T>): () => Promise<T> {
  let running: Promise<unknown> = Promise.resolve();
  let next: Promise<T> | undefined;
  const run = async (before: Promise<unknown>): Promise<T> => {
    await before;
    // A later request may follow events that this scrape misses.
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
