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

/**
 * Counts each attempt as a failure before it is judged, so that of attempts at once no more are judged than
 * the account has left. An attempt that is refused counts for nothing, and writes nothing.
 *
 * What is read decides what is written: under serializable no other transaction changes the row in between.
 * Run again after an outcome that is not known it counts once more: the account has an attempt less until it
 * is forgotten or cleared, and never one more.
 */
const reserve = statement<{ readonly id: string; readonly waitMs: number | null }>(
  "login_attempts.reserve",
  `with request as (
    select id, caller_id from unnest($1::uuid[], $2::uuid[]) as r (id, caller_id)
  ),
  known as (
    select id, failures, retry_time from login_attempts
    where id = any($1::uuid[] || $2::uuid[]) and expire_time > now()
  ),
  judged as (
    select r.id, greatest(a.retry_time, c.retry_time) as retry_time,
      least(coalesce(a.failures, 0) + 1, array_length($3::int4[], 1)) as failures
    from request r left join known a on a.id = r.id left join known c on c.id = r.caller_id
  ),
  counted as (
    select id, failures, now() + ($3::int4[])[failures] * interval '1 millisecond' as retry_time
    from judged where retry_time is null or retry_time <= now()
  ),
  reserved as (
    insert into login_attempts (id, failures, retry_time, expire_time)
    select id, failures, retry_time, retry_time + $4::int4 * interval '1 millisecond' from counted order by id
    on conflict (id) do update set
      failures = excluded.failures, retry_time = excluded.retry_time, expire_time = excluded.expire_time
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
  const callerIds = attempts.map(({ callerId }) => callerId ?? null);
  const { delaysMs, forgetMs } = nth(attempts, 0);
  const refused = await run(reserve, [ids, callerIds, delaysMs, forgetMs]);
  const waits = new Map(refused.map(({ id, waitMs }) => [id, Math.max(1, Math.ceil(waitMs ?? 0))]));
  return ids.map((id) => waits.get(id) ?? 0);
}

const clear = statement("login_attempts.clear", `delete from login_attempts where id = any($1::uuid[])`);

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

const countFailure = statement(
  "login_attempts.count_failures",
  `with known as (
    select id, failures, expire_time from login_attempts where id = any($1::uuid[]) and expire_time > now()
  ),
  counted as (
    select f.id, least(coalesce(a.failures, 0) + f.count, $3::int4)::int4 as failures,
      coalesce(a.expire_time, now() + $4::int4 * interval '1 millisecond') as expire_time
    from unnest($1::uuid[], $2::int4[]) as f (id, count)
      left join known a on a.id = f.id
  )
  insert into login_attempts (id, failures, retry_time, expire_time)
  select id, failures, case when failures >= $3::int4 then expire_time else now() end, expire_time
  from counted order by id
  on conflict (id) do update set
    failures = excluded.failures, retry_time = excluded.retry_time, expire_time = excluded.expire_time`,
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

const sweep = statement(
  "login_attempts.sweep",
  `delete from login_attempts where id in (
    select id from login_attempts where expire_time <= now() order by expire_time limit $1::int4
  )`,
);

/** Deletes some of the rows that count no more; CockroachDB does so by itself. */
export async function sweepAttempts(db: Database, deadline: Deadline): Promise<void> {
  if (db.engine === "postgresql") await db.query(sweep, [sweptMax], deadline);
}
