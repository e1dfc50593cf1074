import type { Database } from "./database.ts";
import { DomainError } from "./errors.ts";
import type { Budget } from "./retry.ts";

/**
 * Runs a write and makes its refusals final. A caller who left may be back with the same request id while the
 * statement of his first call is still on its way: were he refused now, it could happen after that. So before
 * a refusal is answered, what callers have left behind is waited for, and the write is run again; by its
 * derived ids it then meets whatever became true.
 *
 * Each replica knows of its own callers only; docs/exactly-once.md says what that leaves open.
 */
export async function conclusively<T>(db: Database, budget: Budget, write: () => Promise<T>): Promise<T> {
  const first = await write().then(
    (value) => ({
      value,
      refused: Array.isArray(value) && value.some((outcome) => outcome instanceof DomainError),
    }),
    (error: unknown) => ({ error, refused: error instanceof DomainError }),
  );
  const leftBehind = first.refused ? db.leftBehind() : undefined;
  if (leftBehind !== undefined) {
    await leftBehind;
    budget.signal.throwIfAborted();
    return write();
  }
  if ("error" in first) throw first.error;
  return first.value;
}
