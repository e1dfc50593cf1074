import type { Engine } from "../config.ts";
import type { Database } from "./database.ts";
import { findPending, readMigrations, selectApplied, type AppliedRow } from "./migrations.ts";
import { statement } from "./statement.ts";

const selectMigrations = statement<AppliedRow>("migrations.list", selectApplied);

/** A database that does not answer within this is not ready; shorter than the usual timeout of a probe. */
const answerMsMax = 1_000;

/**
 * Returns a function that says why the database cannot serve calls now, or undefined if it can: it answers in
 * time and its schema is the one that this version of the service was written for.
 */
export async function createReadinessCheck(
  db: Database,
  directory: string,
  engine: Engine,
): Promise<() => Promise<string | undefined>> {
  const migrations = await readMigrations(directory, engine);
  return async () => {
    try {
      const budget = { signal: AbortSignal.timeout(answerMsMax), deadlineMs: Date.now() + answerMsMax };
      const rows = await db.query(selectMigrations, [], budget);
      // Migrations that this version does not know are a newer version's, whose replicas replace ours one by
      // one.
      const [pending] = findPending(migrations, rows);
      return pending && `migration ${pending.version} is not applied`;
    } catch (error) {
      return error instanceof Error && error.name !== "TimeoutError"
        ? error.message
        : "the database does not answer";
    }
  };
}
