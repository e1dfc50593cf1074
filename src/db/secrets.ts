import { randomBytes } from "node:crypto";
import type { Database } from "./database.ts";
import type { Budget } from "./retry.ts";
import { statement } from "./statement.ts";

const insertSecret = statement(
  "secrets.create",
  `insert into secrets (name, value) values ($1::text, $2::text) on conflict (name) do nothing`,
);

const selectSecret = statement<{ readonly value: string }>(
  "secrets.get",
  `select value from secrets where name = $1::text`,
);

/** Returns the 32-byte key of a name, the same for all replicas: whoever asks first makes it. */
export async function getSecret(db: Database, budget: Budget, name: string): Promise<Buffer> {
  await db.query(insertSecret, [name, randomBytes(32).toString("base64")], budget);
  const [secret] = await db.query(selectSecret, [name], budget);
  return Buffer.from(secret!.value, "base64");
}
