import { expect, test } from "vitest";
import { DomainError } from "../src/errors.ts";
import { judge, toIdleFault, type Disposition, type Judgement, type Phase } from "../src/db/engine/judge.ts";
import { DecodeError } from "../src/db/engine/pg-types.ts";
import type { Engine } from "../src/config.ts";
import { serverError, wireError } from "./support/failures.ts";

/** What a failure of a statement that was prepared means. */
function judged(engine: Engine, phase: Phase, cause: unknown, ms = 0): Judgement {
  return judge(engine, { phase, wasPrepared: true, beginMs: performance.now() - ms }, cause);
}

const dispositionOf = (...args: Parameters<typeof judged>): Disposition => judged(...args).disposition;

const phases: Phase[] = ["connecting", "executing", "inside", "committing"];
const dispositions = {
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

test.each(Object.entries(dispositions))("SQLSTATE %s is %s", (code, [before, at]) => {
  expect(phases.map((phase) => dispositionOf("postgresql", phase, serverError(code)))).toEqual([
    before,
    before,
    before,
    at,
  ]);
});

test("what a failure says of the node is read from its SQLSTATE, or from there being none", () => {
  const codes = ["57P01", "57P03", "08006", "40001", "40003", "0A000", "23505"];

  const faults = codes.map((code) => judged("cockroachdb", "committing", serverError(code)).nodeFault);

  expect(faults).toEqual(["leaving", "leaving", "silent", ...Array<undefined>(4)]);
  expect(judged("cockroachdb", "executing", wireError("ECONNRESET")).nodeFault).toBe("silent");
});

test("only what the server says on an idle connection is a fault of its node", () => {
  const causes = [serverError("57P01"), wireError("ECONNRESET")];

  expect(causes.map(toIdleFault)).toEqual(["leaving", undefined]);
});

test("a cancelled statement of CockroachDB may have been committed", () => {
  const seen = phases.map((phase) => dispositionOf("cockroachdb", phase, serverError("57014")));

  expect(seen).toEqual(["aborted", "aborted", "aborted", "ambiguous"]);
});

test.each(["ECONNRESET", "EPIPE", "ECONNREFUSED", "ETIMEDOUT", undefined])(
  "errno %s is ambiguous at commit only",
  (code) => {
    const seen = phases.map((phase) => dispositionOf("postgresql", phase, wireError(code)));

    expect(seen).toEqual(["disconnected", "disconnected", "disconnected", "ambiguous"]);
  },
);

test.each([
  "order_events_idempotency_key_key",
  "order_events_pkey",
  "order_items_order_id_fkey",
  "orders_user_id_fkey",
  "stock_movements_pkey",
  "user_changes_pkey",
])("a violation of %s is a race: a re-run reads what came in between", (constraint) => {
  expect(dispositionOf("postgresql", "committing", serverError("23505", constraint))).toBe("aborted");
});

test.each([
  ["23505", "users_email_key"],
  ["23514", "products_on_hand_check"],
  ["23502", undefined],
])("a violation (%s) of %s is final", (code, constraint) => {
  expect(dispositionOf("postgresql", "committing", serverError(code, constraint))).toBe("final");
});

test("what a statement is refused with is final", () => {
  expect(dispositionOf("postgresql", "connecting", new DomainError("POOL_EXHAUSTED", "full"))).toBe("final");
});

test.each([
  ["postgresql", serverError("57P01")],
  ["cockroachdb", serverError("57P01")],
  ["postgresql", serverError("08006")],
  ["postgresql", serverError("25P03")],
  ["postgresql", serverError("25P04")],
  ["cockroachdb", serverError("58C01")],
  ["postgresql", wireError("ECONNRESET")],
] as const)("no other call gets a connection to %s after %s, whatever its severity", (engine, cause) => {
  expect(phases.map((phase) => judged(engine, phase, cause).reusable)).toEqual([false, false, false, false]);
});

test.each(["40001", "23505", "42P01", "57014", "53200"])("a connection is sound after %s", (code) => {
  expect(judged("postgresql", "committing", serverError(code)).reusable).toBe(true);
});

test("a fatal error leaves no sound connection", () => {
  const fatal = Object.assign(serverError("53300"), { severity: "FATAL" });

  expect(judged("postgresql", "executing", fatal).reusable).toBe(false);
});

test("a session may act after what is ambiguous, and hold locks after a loss inside of a transaction", () => {
  const lost = phases.map((phase) => judged("postgresql", phase, wireError("ECONNRESET")).mayStillAct);
  const aborted = phases.map((phase) => judged("postgresql", phase, serverError("40001")).mayStillAct);

  expect([lost, aborted]).toEqual([
    [false, false, true, true],
    [false, false, false, false],
  ]);
});

test.each(["0A000", "26000"])("%s is final where nothing was prepared", (code) => {
  const progress = { phase: "committing", wasPrepared: false, beginMs: 0 } as const;

  expect(judge("cockroachdb", progress, serverError(code))).toMatchObject({
    disposition: "final",
    stale: undefined,
  });
});

test.each([
  ["postgresql", 119_000, "aborted", undefined],
  ["postgresql", 121_000, "final", "DEADLINE_EXCEEDED"],
  ["cockroachdb", 121_000, "ambiguous", undefined],
] as const)("a write that is cancelled on %s after %i ms is %s", (engine, ms, disposition, reason) => {
  const seen = judged(engine, "committing", serverError("57014"), ms);

  expect([seen.disposition, seen.answer?.reason]).toEqual([disposition, reason]);
});

test("an answer that cannot be read is final, and its connection is sound", () => {
  const seen = judged("postgresql", "committing", new DecodeError(new Error("no number")));

  expect(seen).toMatchObject({ disposition: "final", reusable: true, mayStillAct: false });
});

test.each([
  ["a login that the server refuses", "28P01", "disconnected", "final"],
  ["a database that is not there", "3D000", "disconnected", "final"],
])("%s may be let in by the next connection", (_, code, connecting, later) => {
  const seen = phases.map((phase) => dispositionOf("postgresql", phase, serverError(code)));

  expect(seen).toEqual([connecting, later, later, later]);
});

test.each(["FATAL", "PANIC"])(
  "a commit that ends with %s may have been written, whatever its code",
  (severity) => {
    const judgedAt = (code: string): Disposition[] =>
      phases.map((phase) =>
        dispositionOf("postgresql", phase, Object.assign(serverError(code), { severity })),
      );

    expect(judgedAt("58030")).toEqual(["final", "final", "final", "ambiguous"]);
    expect(judgedAt("53100")).toEqual(["overloaded", "overloaded", "overloaded", "ambiguous"]);
    expect(judgedAt("25P03")).toEqual(["disconnected", "disconnected", "disconnected", "disconnected"]);
  },
);
