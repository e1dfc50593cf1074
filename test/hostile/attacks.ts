import type { Attack } from "./attack.ts";
import { bombs } from "./attacks-bombs.ts";
import { calls } from "./attacks-calls.ts";
import { connections } from "./attacks-connections.ts";
import { floods } from "./attacks-floods.ts";
import { receipts } from "./attacks-receipt.ts";
import { streams } from "./attacks-streams.ts";

/** All attacks, in the order in which they are played. */
export const attacks: readonly Attack[] = [
  ...bombs,
  ...receipts,
  ...streams,
  ...connections,
  ...floods,
  ...calls,
];
