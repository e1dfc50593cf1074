import type { Database } from "./database.ts";
import { afterwards, DomainError, isUnanswered, outcomeUnknown } from "../../errors.ts";
import type { Budget } from "./retry.ts";

/**
 * Runs a write and makes its answer final. `write` gets the database to work on: what fails on it after its
 * first statement has run leaves the write in doubt and is told as that.
 *
 * Refusals are final, too. A caller that left may be back with the same request id while the statement of its
 * first call is still on its way: were the second one refused now, the first could happen after that. So
 * before a refusal is answered, what callers left behind, before the write or beside it, is waited for, as
 * long as the budget allows, and the write is run again; by its derived ids it then meets whatever became
 * true.
 *
 * Each replica knows of its own callers only; docs/exactly-once.md says what that leaves open.
 */
export async function conclusively<T>(
  db: Database,
  budget: Budget,
  write: (db: Database) => Promise<T>,
): Promise<T> {
  const writer = createWriter(db);
  // What is stopped while the write looks for its own id may have come true after that look, and be gone when
  // the refusal arrives.
  const before = db.leftBehind();
  const first = await write(writer).then(
    (value) => ({ value, refused: Array.isArray(value) && value.some(isRefusal) }),
    (error: unknown) => ({ error, refused: isRefusal(error) }),
  );
  const leftBehind = first.refused ? [before, db.leftBehind()].filter((each) => each !== undefined) : [];
  if (leftBehind.length > 0) {
    await untilGone(Promise.all(leftBehind), budget.signal);
    return write(writer);
  }
  if ("error" in first) throw first.error;
  return first.value;
}

/** The database for one write, whose first statement may be the one that changes something. */
function createWriter(db: Database): Database {
  let hasRun = false;
  return {
    ...db,
    async query(statement, values, budget) {
      try {
        const rows = await db.query(statement, values, budget);
        hasRun = true;
        return rows;
      } catch (error) {
        throw hasRun ? afterwards(error) : error;
      }
    },
  };
}

/** What says that a call has not happened and will not; doubt says nothing. */
function isRefusal(outcome: unknown): boolean {
  return outcome instanceof DomainError && outcome.kind !== "outcome_unknown" && !isUnanswered(outcome);
}

/** Waits for what was left behind. Where that cannot be ended, its outcome is not known. */
async function untilGone(leftBehind: Promise<unknown>, signal: AbortSignal): Promise<void> {
  const left = Promise.withResolvers<never>();
  const leave = (): void => left.reject(signal.reason);
  if (signal.aborted) leave();
  signal.addEventListener("abort", leave, { once: true });
  try {
    await Promise.race([left.promise, leftBehind]);
  } catch (error) {
    throw signal.aborted ? error : outcomeUnknown(error);
  } finally {
    signal.removeEventListener("abort", leave);
  }
}
