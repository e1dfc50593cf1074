import type { Database } from "./database.ts";
import { DomainError, outcomeUnknown } from "./errors.ts";

/**
 * The database for the statements that follow a write of the same call. When one of them cannot be run, the
 * write has happened all the same, or may have: the caller must not be told that nothing was changed.
 */
export function afterWrite(db: Database): Database {
  return {
    ...db,
    async query(statement, values, budget) {
      try {
        return await db.query(statement, values, budget);
      } catch (error) {
        if (!(error instanceof DomainError && (error.kind === "unavailable" || error.kind === "exhausted")))
          throw error;
        throw outcomeUnknown(error);
      }
    },
  };
}
