import type { Connection } from "../../src/config.ts";
import type { Database } from "../../src/db/engine/database.ts";
import { sweepRefusals } from "../../src/db/sweep-refusals.ts";
import { readTexts } from "../../src/db/texts.ts";
import { execute } from "./databases.ts";
import { deadline } from "./pools.ts";

/**
 * Deletes what has expired: as the service does, or as CockroachDB's own job would, some time, for the tables
 * that are given a time to live.
 */
export async function deleteExpired(db: Database, connection: Connection): Promise<void> {
  await sweepRefusals(db, deadline());
  if (db.engine === "postgresql") return;
  const texts = await readTexts("cockroachdb");
  const expiring = /(?:create table if not exists|alter table) (\w+)[^;]*ttl_expiration_expression = '(\w+)'/;
  for (const text of texts.values()) {
    const [, table, expiration] = expiring.exec(text) ?? [];
    if (table) await execute(connection, `delete from ${table} where ${expiration} <= now()`);
  }
}
