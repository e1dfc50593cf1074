import { randomUUID } from "node:crypto";
import { statement, type Run } from "../engine/statement.ts";
import { nth } from "../../lists.ts";

/**
 * An attempt at an import. Rows that are refused leave nothing behind and are decided anew when the import is
 * repeated; so that none of them happens after that, the attempt before can write no more.
 */
export type ImportAttempt = { readonly importId: string; readonly attemptId: string };

const beginAttempt = statement<{ readonly attemptId: string }>(
  "imports.begin",
  `insert into imports (id, attempt_id, expire_time)
  values ($1::uuid, $2::uuid, now() + $3::int4 * interval '1 day')
  on conflict (id) do update set attempt_id = excluded.attempt_id, expire_time = excluded.expire_time
  returning attempt_id as "attemptId"`,
);

/**
 * Begins an attempt, which waits for what the one before is writing and ends it. An attempt that lasts for
 * more than `daysMax` is ended as well.
 */
export async function beginImport(run: Run, importId: string, daysMax: number): Promise<ImportAttempt> {
  const { attemptId } = nth(await run(beginAttempt, [importId, randomUUID(), daysMax]), 0);
  return { importId, attemptId };
}

/**
 * The attempt that a chunk is of, as a part of its statement, whose parameters it has from `first` on: locked
 * against the beginning of another one until the chunk is committed. CockroachDB takes no such lock under
 * serializable, and needs none.
 */
export const attemptOf = (first: number): string => `
  attempt as (
    select id from imports where id = $${first}::uuid and attempt_id = $${first + 1}::uuid for share
  )`;

/** Whether another attempt has begun; false without an attempt. */
export const isSuperseded = (first: number): string =>
  `$${first}::uuid is not null and not exists (select 1 from attempt)`;

/** The parameters of an attempt, or of none. */
export function toAttemptValues(attempt: ImportAttempt | undefined): unknown[] {
  return [attempt?.importId ?? null, attempt?.attemptId ?? null];
}
