import type { Database } from "./database.ts";
import { afterwards, DomainError, isUnanswered, outcomeUnknown } from "./errors.ts";
import type { Budget } from "./retry.ts";

/**
 * Runs a write and makes its refusals final. A caller who left may be back with the same request id while the
 * statement of his first call is still on its way: were he refused now, it could happen after that. So before
 * a refusal is answered, what callers have left behind is waited for, as long as the budget allows, and the
 * write is run again; by its derived ids it then meets whatever became true.
 *
 * Each replica knows of its own callers only; docs/exactly-once.md says what that leaves open.
 */
export async function conclusively<T>(db: Database, budget: Budget, write: () => Promise<T>): Promise<T> {
  const first = await write().then(
    (value) => ({ value, refused: Array.isArray(value) && value.some(isRefusal) }),
    (error: unknown) => ({ error, refused: isRefusal(error) }),
  );
  const leftBehind = first.refused ? db.leftBehind() : undefined;
  if (leftBehind !== undefined) {
    await untilGone(leftBehind, budget.signal);
    return write().catch((error: unknown) => {
      // Of the first run some rows of a set are there, and the others are in doubt again.
      throw afterwards(error);
    });
  }
  if ("error" in first) throw first.error;
  return first.value;
}

/** What says that a call has not happened and will not; doubt says nothing. */
function isRefusal(outcome: unknown): boolean {
  return outcome instanceof DomainError && outcome.kind !== "outcome_unknown" && !isUnanswered(outcome);
}

/** Waits for what was left behind. Where that cannot be ended, nobody knows what will become of it. */
async function untilGone(leftBehind: Promise<unknown>, signal: AbortSignal): Promise<void> {
  const left = Promise.withResolvers<never>();
  const leave = (): void => left.reject(signal.reason);
  if (signal.aborted) leave();
  signal.addEventListener("abort", leave, { once: true });
  try {
    await Promise.race([left.promise, leftBehind]);
  } catch (error) {
    throw signal.aborted ? error : outcomeUnknown(error);
  } finally {
    signal.removeEventListener("abort", leave);
  }
}
