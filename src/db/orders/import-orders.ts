import { DomainError } from "../../errors.ts";
import type { RowOutcome } from "../outcome.ts";
import type { ImportAttempt } from "./import-attempts.ts";
import type { OrderDraft } from "./order-drafts.ts";
import { placeOrders } from "./place-orders.ts";
import { statement, type Run } from "../engine/statement.ts";

const selectFingerprints = statement<{ readonly id: string; readonly fingerprint: string }>(
  "orders.fingerprints",
  `select id, fingerprint from orders where id = any($1::uuid[])`,
);

/**
 * Places orders as createOrders does and says of each only what became of it: who imports does not ask for
 * the orders themselves, and reading them would cost more than finding that they are there.
 */
export async function importOrders(
  run: Run,
  drafts: readonly OrderDraft[],
  attempt?: ImportAttempt,
): Promise<RowOutcome[]> {
  const outcomes = await placeOrders<{ readonly isNew: boolean }>(
    run,
    drafts,
    () => ({ isNew: true }),
    async (ids) => {
      const stored = await run(selectFingerprints, [ids]);
      return stored.map((order) => ({ ...order, isNew: false }));
    },
    attempt,
  );
  return outcomes.map((outcome) => {
    if (outcome instanceof DomainError) return outcome;
    return outcome.isNew ? "inserted" : "existed";
  });
}
