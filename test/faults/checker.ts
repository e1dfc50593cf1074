import { checkDeletions, withoutDoomed } from "./check-deletions.ts";
import { checkEffects, checkForeseen } from "./check-effects.ts";
import { checkGrowth } from "./check-growth.ts";
import { checkImports } from "./check-imports.ts";
import { checkOrders } from "./check-orders.ts";
import { checkReads } from "./check-reads.ts";
import { checkRefusals } from "./check-refusals.ts";
import { checkStock } from "./check-stock.ts";
import type { FinalState } from "./final-state.ts";
import { toCalls, type Call, type Entry } from "./history.ts";
import { takeApart, toRowEntries, type Parts } from "./import-rows.ts";

/**
 * What must hold, whatever broke:
 * - I1: an order's total is the sum over its items, and every answer shows what was asked for.
 * - I2: what came into stock is in stock or in a live order; stock is never below zero.
 * - I3: a call, or a row of an import, has at most one effect, and all answers to it name the same resource.
 * - I4: what was acknowledged is there.
 * - I5: what was refused is not there, whichever replica refused it and whatever the others had been asked;
 *   no repetition of a refused call is acknowledged, but for rows of imports.
 * - I6: the history of an order is a path in the status machine, a version for each step and for items that
 *   were added.
 * - I7: of changes that exclude each other one happens.
 * - I8: whoever asks after an answer sees what the answer showed, or newer.
 * - I9: no order without its user.
 * - I10: a walk through the pages meets each order once that was there throughout.
 * - I11: the chunks of an import follow one another without a gap to its end, count its rows truly, and what
 *   they say is there is stored, once, however often the import was cut and resumed.
 * - I13: an email has one user, whose rivals are told ALREADY_EXISTS; nobody is told INTERNAL.
 * - I15: a user who was deleted is gone with all orders, which nobody has without force; one who was refused
 *   to be deleted is there.
 *
 * I12 (limits over many rows, such as orders per
 * user) and I14 (messages that are sent for each change) are about what the service does not promise.
 */
export type Invariant =
  | "I1"
  | "I2"
  | "I3"
  | "I4"
  | "I5"
  | "I6"
  | "I7"
  | "I8"
  | "I9"
  | "I10"
  | "I11"
  | "I13"
  | "I15";

/**
 * A broken invariant: the resources and request ids that it is about, and a sentence that says how it broke.
 */
export type Violation = {
  readonly invariant: Invariant;
  readonly ids: readonly string[];
  readonly sentence: string;
};

/** What the parts of the checker look at. Rows of imports are in the history, too, as calls of their own. */
export type Evidence = {
  readonly history: readonly Entry[];
  readonly calls: readonly Call[];
  readonly state: FinalState;
  /** The stored orders. */
  readonly parts: readonly Parts[];
};

/** Finds what is wrong in a history and in the state that it ended in: nothing, if all invariants hold. */
export function check(attempts: readonly Entry[], state: FinalState): Violation[] {
  const others = withoutDoomed(attempts, state);
  const history = [...others.history, ...others.history.flatMap(toRowEntries)];
  const calls = toCalls(history);
  const evidence = { history, calls, state: others.state, parts: takeApart(others.state, calls) };
  return [
    ...checkDeletions(attempts, state),
    ...[...attempts, ...attempts.flatMap(toRowEntries)].flatMap(checkForeseen),
    ...checkStock({ history: attempts, state }),
    ...checkRest(evidence),
  ];
}

function checkRest(evidence: Evidence): Violation[] {
  return [checkEffects, checkRefusals, checkOrders, checkGrowth, checkReads, checkImports].flatMap((part) =>
    part(evidence),
  );
}
