import { createDeadline, type Deadline } from "../../src/db/engine/deadline.ts";
import { sweepRefusals } from "../../src/db/sweep-refusals.ts";
import type { Load } from "./calls.ts";
import { decorate, replace } from "./decorations.ts";
import type { FaultPlan } from "./faults.ts";

/** The statements that insert marks; their first parameter are ids, their third how long each is kept. */
const marking = new Set([
  "orders.refuse",
  "orders.refuse_changes",
  "products.refuse",
  "users.refuse_changes",
  "users.refuse_creations",
]);

/** Callers who are back at another replica while what they have asked for is still on its way, or waits. */
const impatient: Partial<Load> = { impatient: 0.9 };
const slow: FaultPlan = { names: ["kept", "very_late", "lock"], probability: 0.06 };
const locked: FaultPlan = { names: ["lock"], probability: 0 };
const nothing: FaultPlan = { names: [], probability: 0 };

/**
 * The parts of what makes a refusal final, each taken away from two replicas. Each of the seeds 1 to 3 finds
 * each of them.
 */
export const ofRefusals = {
  /** A refusal is answered and not kept. */
  "the marks of refusals": {
    decorateDatabase: decorate((db) => async (statement, values, deadline) => {
      if (!marking.has(statement.name)) return db.query(statement, values, deadline);
      return (values[0] as string[]).map((id) => ({ id })) as never;
    }),
    replicas: 2,
    load: impatient,
    faults: slow,
    finds: ["I5"],
  },
  /**
   * Marks have a key of their own, which orders look for and do not insert. An order whose statement has
   * waited for a row decides by what was committed before, but for that row. Nothing stops it meanwhile.
   */
  "the key that marks and orders share": {
    decorateDatabase: decorate((db) => async (statement, values, deadline) => {
      const text = apart[statement.name]?.(statement.text);
      if (text === undefined) return db.query(statement, values, deadline);
      if (statement.name !== "orders.create") return db.query({ ...statement, text }, values, deadline);
      return Promise.race([db.query({ ...statement, text }, values, unstoppable()), leaving(deadline)]);
    }),
    replicas: 2,
    load: impatient,
    faults: locked,
    finds: ["I5"],
  },
  /** Marks go while their callers still repeat. */
  "the time for which marks are kept": {
    decorateDatabase: decorate((db) => async (statement, values, deadline) => {
      if (!marking.has(statement.name)) return db.query(statement, values, deadline);
      const kept = (values[2] as number[]).map(() => keptMs);
      const rows = await db.query(statement, values.with(2, kept), deadline);
      const sweep = (): Promise<void> => sweepRefusals(db, createDeadline(sweepMs)).catch(() => {});
      setTimeout(() => void sweep(), keptMs);
      return rows;
    }),
    replicas: 2,
    load: { ...impatient, callsPerClient: 30 },
    faults: nothing,
    finds: ["I5"],
  },
} as const;

const keptMs = 50;
const sweepMs = 1_000;

/** Marks of orders as events of version 0, which is no order's. */
const apart: Readonly<Record<string, (text: string) => string>> = {
  "orders.refuse": (text) => replace(text, "select id, 1,", "select id, 0,"),
  "orders.first_events": (text) => replace(text, "version = 1", "version <= 1"),
  "orders.create": (text) =>
    replace(
      text,
      "when u.id is null",
      `when exists (select 1 from order_events m where m.order_id = r.id and m.version = 0) then 'existed'
        when u.id is null`,
    ),
};

/** Longer than a row is locked. */
const waitMsMax = 10_000;

/** As of a replica that is cut off, or has died: what it has sent goes on. */
function unstoppable(): Deadline {
  return { signal: new AbortController().signal, deadlineMs: Date.now() + waitMsMax };
}

/** Rejects when the callers leave. */
function leaving({ signal }: Deadline): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  return promise;
}
