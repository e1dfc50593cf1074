import type { Reads } from "../db/batchers.ts";
import type { Sources } from "../db/sources.ts";
import { ReadConsistency } from "../gen/commerce/read/v1/read_consistency_pb.ts";

/** Where a request wants to be read from. */
export function toSource(
  sources: Sources,
  { readConsistency }: { readonly readConsistency: ReadConsistency },
): Reads {
  return readConsistency === ReadConsistency.STALE ? sources.stale : sources.strong;
}
