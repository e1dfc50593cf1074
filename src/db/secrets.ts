import { randomBytes } from "node:crypto";
import pg from "pg";
import type { Database } from "./engine/database.ts";
import type { Deadline } from "./engine/deadline.ts";
import { sqlstate } from "./engine/sqlstate.ts";
import { statement } from "./engine/statement.ts";

const insertSecret = statement(
  "secrets.create",
  `insert into secrets (name, value) values ($1::text, $2::text) on conflict (name) do nothing`,
);

const selectSecret = statement<{ readonly value: string }>(
  "secrets.get",
  `select value from secrets where name = $1::text`,
);

/**
 * Returns the 32-byte key of a name, the same for all replicas: the first one that asks makes it. Fails with
 * an Error of one line where its table is lacking, as it may be where a start does not look at migrations.
 */
export async function getSecret(db: Database, deadline: Deadline, name: string): Promise<Buffer> {
  const made = [name, randomBytes(32).toString("base64")];
  await db.query(insertSecret, made, deadline).catch(explainLack);
  return (await findSecret(db, deadline, name))!;
}

function explainLack(error: unknown): never {
  if (!(error instanceof pg.DatabaseError && error.code === sqlstate.undefinedTable)) throw error;
  const remedy = "run `npm run migrate`, or start with MIGRATE=apply";
  throw new Error(`the database lacks the table of secrets: ${remedy}`, { cause: error });
}

/** Returns the key of a name, if it was made; fails like getSecret(). */
export async function findSecret(
  db: Database,
  deadline: Deadline,
  name: string,
): Promise<Buffer | undefined> {
  const [secret] = await db.query(selectSecret, [name], deadline).catch(explainLack);
  return secret && Buffer.from(secret.value, "base64");
}
