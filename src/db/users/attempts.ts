import type { Database } from "../engine/database.ts";
import type { Deadline } from "../engine/deadline.ts";
import { expectDistinct } from "../outcome.ts";
import { statement, type Run } from "../engine/statement.ts";
import { nth } from "../../lists.ts";

/** An attempt to authenticate. The ids are those of rows: keyed hashes of the account and of the caller. */
export type Attempt = {
  readonly accountId: string;
  /** Without it the caller is not limited. */
  readonly callerId: string | undefined;
  /**
   * How long the account's next attempt is refused, in milliseconds by the number of failures before it; the
   * last one holds for all above.
   */
  readonly delaysMs: readonly number[];
  /** After the delay, how long until failures are forgotten. */
  readonly forgetMs: number;
};

/** Of an account that has made attempts: how many count with this one, until when the next waits. */
const counting = `least(case when l.expire_time > now() then l.failures else 0 end + 1,
        array_length($3::int4[], 1))`;
const retryTime = (number: string): string => `now() + ($3::int4[])[${number}] * interval '1 millisecond'`;
const forgetTime = "$4::int4 * interval '1 millisecond'";

/**
 * Counts each attempt as a failure before it is judged, so that of attempts at once no more are judged than
 * the account has left. An attempt that is refused counts for nothing, and writes nothing.
 *
 * Locks accounts by their ids. What decides is the account's row as it is when it is locked; the snapshot
 * says how long to wait, and of the caller whether it may try. Where another attempt was counted since the
 * snapshot, which then tells of no time to wait, the attempt comes again. Run again after an outcome that is
 * not known it counts once more: the account has an attempt less until it is forgotten or cleared, and never
 * one more.
 */
const reserve = statement<{ readonly id: string; readonly waitMs: number | null }>(
  "login_attempts.reserve",
  `with request as (
    select id, caller_id from unnest($1::uuid[], $2::uuid[]) as r (id, caller_id)
  ),
  known as (
    select id, retry_time from login_attempts
    where id = any($1::uuid[] || $2::uuid[])
  ),
  judged as (
    select r.id, greatest(a.retry_time, c.retry_time) as retry_time
    from request r left join known a on a.id = r.id left join known c on c.id = r.caller_id
  ),
  reserved as (
    insert into login_attempts as l (id, failures, retry_time, expire_time)
    select id, 1, ${retryTime("1")}, ${retryTime("1")} + ${forgetTime}
    from judged where retry_time is null or retry_time <= now() order by id
    on conflict (id) do update set
      failures = ${counting}, retry_time = ${retryTime(counting)},
      expire_time = ${retryTime(counting)} + ${forgetTime}
    where l.retry_time <= now()
    returning id
  )
  select j.id, (extract(epoch from j.retry_time - now()) * 1000)::float8 as "waitMs"
  from judged j left join reserved r on r.id = j.id where r.id is null`,
);

/**
 * Reserves attempts, of different accounts and under one rule, and returns for each how many milliseconds it
 * is too early; 0: it may be judged.
 */
export async function reserveAttempts(run: Run, attempts: readonly Attempt[]): Promise<number[]> {
  const ids = attempts.map(({ accountId }) => accountId);
  expectDistinct(ids);
  const { delaysMs, forgetMs } = nth(attempts, 0);
  const waits = new Map<string, number>();
  for (let open = attempts; open.length > 0;) {
    const keys = [open.map(({ accountId }) => accountId), open.map(({ callerId }) => callerId ?? null)];
    const rows = await run(reserve, [...keys, delaysMs, forgetMs]);
    const refused = new Map(rows.map(({ id, waitMs }) => [id, Math.max(0, Math.ceil(waitMs ?? 0))]));
    for (const [id, waitMs] of refused) waits.set(id, waitMs);
    open = open.filter(({ accountId }) => refused.get(accountId) === 0);
  }
  return ids.map((id) => waits.get(id) ?? 0);
}

const clear = statement(
  "login_attempts.clear",
  `with locked as (select id from login_attempts where id = any($1::uuid[]) order by id for update)
  delete from login_attempts a using locked l where a.id = l.id`,
);

/** Forgets the failures of accounts. */
export async function clearAttempts(run: Run, accountIds: readonly string[]): Promise<void[]> {
  await run(clear, [accountIds]);
  return accountIds.map(() => {});
}

/** A failure to count for a caller. */
export type CallerFailure = {
  readonly callerId: string;
  /** Failures of a window, which begins with the first one; above it all attempts wait for its end. */
  readonly failuresMax: number;
  readonly windowMs: number;
};

/** A caller's failures of its window, as they are when its row is locked, and when the window ends. */
const counted = `least(case when l.expire_time > now() then l.failures else 0 end + excluded.failures,
      $3::int4)`;
const windowEnd = "case when l.expire_time > now() then l.expire_time else excluded.expire_time end";
const countFailure = statement(
  "login_attempts.count_failures",
  `insert into login_attempts as l (id, failures, retry_time, expire_time)
  select id, least(count, $3::int4), case when count >= $3::int4 then expire_time else now() end, expire_time
  from (
    select id, count, now() + $4::int4 * interval '1 millisecond' as expire_time
    from unnest($1::uuid[], $2::int4[]) as f (id, count)
  ) f order by id
  on conflict (id) do update set
    failures = ${counted},
    retry_time = case when ${counted} >= $3::int4 then ${windowEnd} else now() end,
    expire_time = ${windowEnd}`,
);

/** Counts failures of callers, any number of each, under one rule. */
export async function countFailures(run: Run, failures: readonly CallerFailure[]): Promise<void[]> {
  const counts = new Map<string, number>();
  for (const { callerId } of failures) counts.set(callerId, (counts.get(callerId) ?? 0) + 1);
  const { failuresMax, windowMs } = nth(failures, 0);
  await run(countFailure, [[...counts.keys()], [...counts.values()], failuresMax, windowMs]);
  return failures.map(() => {});
}

/** A sweep's transaction stays short. */
const sweptMax = 1_024;

/** A row that is locked counts again, or is swept by another replica. */
const sweep = statement(
  "login_attempts.sweep",
  `with swept as (
    select id from login_attempts where expire_time <= now() order by expire_time limit $1::int4
    for update skip locked
  )
  delete from login_attempts a using swept s where a.id = s.id`,
);

/** Deletes some of the rows that count no more; CockroachDB does so by itself. */
export async function sweepAttempts(db: Database, deadline: Deadline): Promise<void> {
  if (db.engine === "postgresql") await db.query(sweep, [sweptMax], deadline);
}
