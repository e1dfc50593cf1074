import type { Database } from "./database.ts";
import type { Deadline } from "./deadline.ts";
import { afterwards } from "../../errors.ts";
import type { Run } from "./statement.ts";

/** A write of the aggregates: runs its statements by `run`, the first of which may change something. */
export type Write<Requests, Answer> = (run: Run, requests: Requests) => Promise<Answer>;

/**
 * Makes of a write one whose answer is final. What fails behind its first statement leaves the write in doubt
 * and is told as that: the statement may have committed, and a refusal whose mark is not there is none.
 */
export function createMutation<Requests, Answer>(db: Database, write: Write<Requests, Answer>) {
  return (requests: Requests, deadline: Deadline): Promise<Answer> =>
    write(createRun(db, deadline), requests);
}

/** Runs a write of one call; see `createMutation`. */
export function mutate<Requests, Answer>(
  db: Database,
  deadline: Deadline,
  write: Write<Requests, Answer>,
  requests: Requests,
): Promise<Answer> {
  return createMutation(db, write)(requests, deadline);
}

/** Runs the statements of one write, the first of which may be the one that changes something. */
function createRun(db: Database, deadline: Deadline): Run {
  let isFirst = true;
  return async (statement, values) => {
    const isBehind = !isFirst;
    isFirst = false;
    try {
      return await db.query(statement, values, deadline);
    } catch (error) {
      throw isBehind ? afterwards(error) : error;
    }
  };
}
