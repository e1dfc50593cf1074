import { expect, test } from "vitest";
import { DomainError } from "../src/errors.ts";
import { fateOf, type Phase } from "../src/db/engine/retry.ts";
import { serverError, wireError } from "./support/failures.ts";

const phases: Phase[] = ["connecting", "executing", "inside", "committing"];
const fates = {
  // Definite aborts: the server says so.
  "40001": ["aborted", "aborted"],
  "40P01": ["aborted", "aborted"],
  CR000: ["aborted", "aborted"],
  // The server itself does not know, or ends the connection.
  "40003": ["disconnected", "ambiguous"],
  "08000": ["disconnected", "ambiguous"],
  "08003": ["disconnected", "ambiguous"],
  "08006": ["disconnected", "ambiguous"],
  "08007": ["disconnected", "ambiguous"],
  "57P01": ["disconnected", "ambiguous"],
  "57P02": ["disconnected", "ambiguous"],
  "57P03": ["disconnected", "ambiguous"],
  "58C00": ["disconnected", "ambiguous"],
  "58C01": ["disconnected", "ambiguous"],
  // Refused before it began.
  "53200": ["overloaded", "overloaded"],
  "53300": ["overloaded", "overloaded"],
  "53400": ["overloaded", "overloaded"],
  "0A000": ["disconnected", "disconnected"],
  "26000": ["disconnected", "disconnected"],
  "25006": ["disconnected", "disconnected"],
  // Undone by the server, which waited for the client for too long.
  "25P03": ["disconnected", "disconnected"],
  "25P04": ["disconnected", "disconnected"],
  "53000": ["overloaded", "overloaded"],
  "53100": ["overloaded", "overloaded"],
  // An operator's cancellation.
  "57014": ["aborted", "aborted"],
  // Never again.
  "25P02": ["final", "final"],
  "55P03": ["final", "final"],
  "42P01": ["final", "final"],
  "22003": ["final", "final"],
  XXA00: ["final", "final"],
} as const;

test.each(Object.entries(fates))("SQLSTATE %s is %s", (code, [before, at]) => {
  expect(phases.map((phase) => fateOf("postgresql", phase, serverError(code)))).toEqual([
    before,
    before,
    before,
    at,
  ]);
});

test("a cancelled statement of CockroachDB may have been committed", () => {
  const seen = phases.map((phase) => fateOf("cockroachdb", phase, serverError("57014")));

  expect(seen).toEqual(["aborted", "aborted", "aborted", "ambiguous"]);
});

test.each(["ECONNRESET", "EPIPE", "ECONNREFUSED", "ETIMEDOUT", undefined])(
  "errno %s is ambiguous at commit only",
  (code) => {
    const seen = phases.map((phase) => fateOf("postgresql", phase, wireError(code)));

    expect(seen).toEqual(["disconnected", "disconnected", "disconnected", "ambiguous"]);
  },
);

test.each([
  "order_events_idempotency_key_key",
  "order_events_pkey",
  "order_events_order_id_fkey",
  "order_items_order_id_fkey",
  "orders_user_id_fkey",
  "stock_movements_pkey",
  "user_changes_pkey",
])("a violation of %s is a race: a re-run reads what came in between", (constraint) => {
  expect(fateOf("postgresql", "committing", serverError("23505", constraint))).toBe("aborted");
});

test.each([
  ["23505", "users_email_key"],
  ["23514", "products_on_hand_check"],
  ["23502", undefined],
])("a violation (%s) of %s is final", (code, constraint) => {
  expect(fateOf("postgresql", "committing", serverError(code, constraint))).toBe("final");
});

test("what a statement is refused with is final", () => {
  expect(fateOf("postgresql", "connecting", new DomainError("POOL_EXHAUSTED", "full"))).toBe("final");
});
