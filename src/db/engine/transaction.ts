import { command } from "./statement.ts";

/** What opens a transaction, by its isolation; by default it is the session's. */
export const begin = {
  default: command("transaction.begin", "begin"),
  "read committed": command(
    "transaction.begin_read_committed",
    "begin isolation level read committed",
    "postgresql",
  ),
  "repeatable read": command(
    "transaction.begin_repeatable_read",
    "begin isolation level repeatable read",
    "postgresql",
  ),
} as const;

export const commit = command("transaction.commit", "commit");
export const rollback = command("transaction.rollback", "rollback");
