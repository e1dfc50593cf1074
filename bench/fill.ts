import type pg from "pg";
import { loadTables } from "./service/database.ts";

/** Foreign keys, then indexes without a constraint: what drops each, and what makes it again. */
const selectExtras = `
  select format('alter table %s drop constraint %I', conrelid::regclass, conname) as drop, format(
      'alter table %s add constraint %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)
    ) as make
  from pg_constraint where contype = 'f' and connamespace = 'public'::regnamespace
  union all
  select format('drop index %s', i.indexrelid::regclass), pg_get_indexdef(i.indexrelid)
  from pg_index i join pg_class c on c.oid = i.indexrelid
  where c.relnamespace = 'public'::regnamespace
    and not exists (select 1 from pg_constraint where conindid = i.indexrelid)`;

/**
 * Loads the tables and leaves nothing to be done in the background. Foreign keys are checked and indexes are
 * made at the end, all rows at once: one by one they take most of the time.
 */
export async function fillTables(admin: pg.Client, orders: number): Promise<void> {
  const { rows: extras } = await admin.query<{ drop: string; make: string }>(selectExtras);
  for (const { drop } of extras) await admin.query(drop);
  await loadTables(admin, orders);
  for (const { make } of extras) await admin.query(make);
  await admin.query("vacuum analyze");
}
