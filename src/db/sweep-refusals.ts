import type { Database } from "./engine/database.ts";
import { createDeadline, type Deadline } from "./engine/deadline.ts";
import { statement } from "./engine/statement.ts";

const sweepOf = (table: string, id: string, more = "") =>
  statement<{ readonly id: string }>(
    `${table}.sweep`,
    `with swept as (
    select ${id} as id from ${table} where expire_time <= now() order by expire_time limit $1::int4
    for update skip locked
  )
  delete from ${table} t using swept s where t.${id} = s.id ${more}
  returning s.id`,
  );

/**
 * What has happened has no expire_time. Of an event the order's id is not its whole key; a mark is version 1.
 * A row that is locked is of an import that goes on, or is swept by another replica: under read committed its
 * deletion would wait, and then delete what has got another time meanwhile.
 */
const sweeps = [
  sweepOf("order_events", "order_id", "and t.version = 1"),
  sweepOf("user_changes", "id"),
  sweepOf("stock_movements", "id"),
  sweepOf("imports", "id"),
];

/** A transaction stays short. */
const sweptMax = 1_024;

/**
 * Deletes the marks of refusals, and the attempts at imports, that have been kept for long enough;
 * CockroachDB does so by itself.
 */
export async function sweepRefusals(db: Database, deadline: Deadline): Promise<void> {
  if (db.engine !== "postgresql") return;
  for (const sweep of sweeps)
    for (let swept = sweptMax; swept === sweptMax;)
      swept = (await db.query(sweep, [sweptMax], deadline)).length;
}

/** Between two sweeps, in milliseconds: a mark that stays a minute too long does no harm. */
const pauseMs = 60_000;
/** For one sweep: some hundred thousand marks. */
const sweepMs = 30_000;

/** Sweeps until disposal. What fails, as with a database that is away, is told, and is for the next sweep. */
export function keepSweeping(db: Database, onFailure: (error: unknown) => void): Disposable {
  const stop = new AbortController();
  const sweep = async (): Promise<void> => {
    const { signal, deadlineMs } = createDeadline(sweepMs);
    const deadline = { signal: AbortSignal.any([signal, stop.signal]), deadlineMs };
    await sweepRefusals(db, deadline).catch((error: unknown) => stop.signal.aborted || onFailure(error));
    if (!stop.signal.aborted) timer = setTimeout(() => void sweep(), pauseMs);
  };
  let timer = setTimeout(() => void sweep(), pauseMs);
  return {
    [Symbol.dispose]() {
      clearTimeout(timer);
      stop.abort();
    },
  };
}
