import { createReads, type Reads, type Sharing } from "./batchers.ts";
import type { Database } from "./engine/database.ts";

/** Where calls read, by what they ask for. No round trip is shared by calls that ask for different things. */
export type Sources = { readonly strong: Reads; readonly stale: Reads };

/** The sources of reads. Without a `stale` database of their own, stale reads are ordinary ones. */
export function createSources(strong: Reads, stale: Database | undefined, sharing: Sharing): Sources {
  return { strong, stale: stale ? createReads(stale, sharing) : strong };
}
