import type { Source, Sources } from "../db/sources.ts";
import { ReadConsistency } from "../gen/commerce/read/v1/read_consistency_pb.ts";

/** Where a request wants to be read from. */
export function toSource(
  sources: Sources,
  { readConsistency }: { readonly readConsistency: ReadConsistency },
): Source {
  return readConsistency === ReadConsistency.STALE ? sources.stale : sources.strong;
}
