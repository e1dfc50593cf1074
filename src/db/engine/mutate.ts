import type { Database } from "./database.ts";
import type { Deadline } from "./deadline.ts";
import { afterwards, DomainError, isUnanswered, outcomeUnknown } from "../../errors.ts";
import type { Run } from "./statement.ts";

/** A write of the aggregates: runs its statements by `run`, the first of which may change something. */
export type Write<Requests, Answer> = (run: Run, requests: Requests) => Promise<Answer>;

/**
 * Makes of a write one whose answer is final. What fails behind its first statement leaves the write in doubt
 * and is told as that: the statement may have committed.
 *
 * Refusals are final, too. A caller that left may be back with the same request id while the statement of its
 * first call is still on its way: were the second one refused now, the first could happen after that. So
 * before a refusal is answered, what is orphaned, before the write or beside it, is waited for, as long as
 * the deadline allows, and the write is run again; by its derived ids it then meets whatever became true.
 *
 * Each replica knows of its own callers only; docs/exactly-once.md says what that leaves open.
 */
export function mutation<Requests, Answer>(db: Database, write: Write<Requests, Answer>) {
  return async (requests: Requests, deadline: Deadline): Promise<Answer> => {
    const run = createRun(db, deadline);
    // What is stopped while the write looks for its own id may have come true after that look, and be gone
    // when the refusal arrives.
    const before = db.orphansEnded();
    const first = await write(run, requests).then(
      (value) => ({ value, refused: Array.isArray(value) && value.some(isRefusal) }),
      (error: unknown) => ({ error, refused: isRefusal(error) }),
    );
    const orphaned = first.refused ? [before, db.orphansEnded()].filter((each) => each !== undefined) : [];
    if (orphaned.length > 0) {
      await untilEnded(Promise.all(orphaned), deadline.signal);
      return write(run, requests);
    }
    if ("error" in first) throw first.error;
    return first.value;
  };
}

/** Runs a write of one call; see `mutation`. */
export function mutate<Requests, Answer>(
  db: Database,
  deadline: Deadline,
  write: Write<Requests, Answer>,
  requests: Requests,
): Promise<Answer> {
  return mutation(db, write)(requests, deadline);
}

/** Runs the statements of one write, the first of which may be the one that changes something. */
function createRun(db: Database, deadline: Deadline): Run {
  let hasRun = false;
  return async (statement, values) => {
    try {
      const rows = await db.query(statement, values, deadline);
      hasRun = true;
      return rows;
    } catch (error) {
      throw hasRun ? afterwards(error) : error;
    }
  };
}

/** What says that a call has not happened and will not; doubt says nothing. */
function isRefusal(outcome: unknown): boolean {
  return outcome instanceof DomainError && outcome.kind !== "outcome_unknown" && !isUnanswered(outcome);
}

/** Waits for what is orphaned. Where that cannot be ended, its outcome is not known. */
async function untilEnded(orphans: Promise<unknown>, signal: AbortSignal): Promise<void> {
  const left = Promise.withResolvers<never>();
  const leave = (): void => left.reject(signal.reason);
  if (signal.aborted) leave();
  signal.addEventListener("abort", leave, { once: true });
  try {
    await Promise.race([left.promise, orphans]);
  } catch (error) {
    throw signal.aborted ? error : outcomeUnknown(error);
  } finally {
    signal.removeEventListener("abort", leave);
  }
}
