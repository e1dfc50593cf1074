import type { Database } from "./database.ts";
import { afterwards } from "./errors.ts";

/** The database for the statements that follow a write of the same call; see `afterwards`. */
export function afterWrite(db: Database): Database {
  return {
    ...db,
    async query(statement, values, budget) {
      try {
        return await db.query(statement, values, budget);
      } catch (error) {
        throw afterwards(error);
      }
    },
  };
}
