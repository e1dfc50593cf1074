import type { Database } from "../../src/db/engine/database.ts";

export type Query = Database["query"];

/** Lets a database run its statements otherwise. */
export function decorate(toQuery: (db: Database) => Query): (db: Database) => Database {
  return (db) => ({ ...db, query: toQuery(db) });
}

/**
 * Fails if there is nothing to replace: the statement has changed, and its protection is not switched off.
 */
export function replace(text: string, from: string | RegExp, to: string): string {
  const replaced = text.replace(from, to);
  if (replaced === text) throw new Error(`the statement has no ${from}`);
  return replaced;
}
