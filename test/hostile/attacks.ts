import type { Attack } from "./attack.ts";
import { bombs } from "./attacks-bombs.ts";

/** All attacks. */
export const attacks: readonly Attack[] = [...bombs];
