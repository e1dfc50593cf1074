import { callBounds } from "./bounds/calls.ts";
import { connectionBounds } from "./bounds/connections.ts";

export type { Bound } from "./bounds/bound.ts";

/** All bounds on the work and the memory that callers can cause. */
export const bounds = { ...connectionBounds, ...callBounds } as const;
