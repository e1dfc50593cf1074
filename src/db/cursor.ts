import type { Micros } from "./engine/pg-types.ts";

/** Where a page begins: lists run by instant and id, newest first, and this is the last entry before it. */
export type Cursor = { readonly createTime: Micros; readonly id: string };
