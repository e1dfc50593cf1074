import { randomUUID } from "node:crypto";
import { importSuperseded } from "../../errors.ts";
import { statement, type Run } from "../engine/statement.ts";

/**
 * An attempt at an import. Rows that are refused leave nothing behind and are decided anew when the import is
 * repeated; so that none of them happens after that, the attempt before can write no more.
 */
export type ImportAttempt = { readonly importId: string; readonly attemptId: string };

const selectAttempt = statement<{ readonly attemptId: string }>(
  "imports.get",
  `select attempt_id as "attemptId" from imports where id = $1::uuid`,
);

/** It may run twice: where it has begun already, it finds its own name. */
const beginAttempt = statement<{ readonly attemptId: string }>(
  "imports.begin",
  `insert into imports (id, attempt_id, expire_time)
  values ($1::uuid, $2::uuid, now() + $3::int4 * interval '1 day')
  on conflict (id) do update set attempt_id = excluded.attempt_id, expire_time = excluded.expire_time
  where imports.attempt_id in (excluded.attempt_id, $4::uuid)
  returning attempt_id as "attemptId"`,
);

/**
 * Begins an attempt, and with that ends the one before. It replaces the one that it has read and no other: a
 * beginning that arrives late, maybe of a replica that is gone, would end an attempt that has begun
 * meanwhile. The row decides as it is when it is locked: what the snapshot of the statement says of it does
 * not count. Throws "aborted" where another one has begun. An attempt that lasts for more than `daysMax` is
 * ended as well.
 */
export async function beginImport(run: Run, importId: string, daysMax: number): Promise<ImportAttempt> {
  const attemptId = randomUUID();
  const [before] = await run(selectAttempt, [importId]);
  const begun = await run(beginAttempt, [importId, attemptId, daysMax, before?.attemptId ?? null]);
  if (begun.length === 0) throw importSuperseded();
  return { importId, attemptId };
}

/**
 * The attempt that a chunk is of, as a part of its statement, whose parameters it has from `first` on.
 *
 * It is locked, shared with the other chunks of the attempt and until the chunk is committed. So the next
 * attempt either begins before, and the chunk finds that it is over whatever its snapshot says; or it begins
 * after, and finds all that the chunk has done. It is locked behind `last`, the rows that the chunk has to
 * wait for: the next attempt never waits for those. CockroachDB takes no shared lock, and aborts the chunk
 * where what it has read of the attempt has changed before its commit.
 */
export const attemptOf = (first: number, last: string): string => `attempt as (
    select id from imports
    where id = $${first}::uuid and attempt_id = $${first + 1}::uuid and (select count(id) from ${last}) >= 0
    for share
  )`;

/** Whether another attempt has begun; false without an attempt. */
export const isSuperseded = (first: number): string =>
  `$${first}::uuid is not null and not exists (select 1 from attempt)`;

/** The parameters of an attempt, or of none. */
export function toAttemptValues(attempt: ImportAttempt | undefined): unknown[] {
  return [attempt?.importId ?? null, attempt?.attemptId ?? null];
}
