import { createPointReads, type PointReads } from "./batchers.ts";
import type { Database } from "./engine/database.ts";

/** Where calls read: a database, and the point reads that share round trips to it. */
export type Source = { readonly database: Database; readonly reads: PointReads };

/** Where calls read, by what they ask for. No round trip is shared by calls that ask for different things. */
export type Sources = { readonly strong: Source; readonly stale: Source };

/** The sources of reads. Without a `stale` database of their own, stale reads are ordinary ones. */
export function createSources(strong: Source, stale: Database | undefined, coalesce: boolean): Sources {
  return { strong, stale: stale ? { database: stale, reads: createPointReads(stale, coalesce) } : strong };
}
