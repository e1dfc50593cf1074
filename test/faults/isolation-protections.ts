import type { Statement } from "../../src/db/engine/statement.ts";
import { decorate, replace } from "./decorations.ts";
import type { FaultPlan } from "./faults.ts";

const nothing: FaultPlan = { names: [], probability: 0 };

/** Between the snapshot of a statement and its first lock: others get there in between. */
const aged = "pg_sleep(0.02) is not null";
const age = (text: string): string =>
  replace(text, "order by id for update", `and ${aged} order by id for update`);

/** Runs a statement of a name as another one. */
const decorateOne = (name: string, change: <Row>(statement: Statement<Row>) => Statement<Row>) =>
  decorate(
    (db) => (statement, values, deadline) =>
      db.query(statement.name === name ? change(statement) : statement, values, deadline),
  );

/**
 * What makes statements right under read committed, each part taken away from two replicas, whose statements
 * lock what they need some time after they have begun.
 */
export const ofIsolation = {
  /** A user is deleted with the orders of the snapshot, and the foreign key deletes the others. */
  "the isolation of deletions": {
    decorateDatabase: decorateOne("users.delete", ({ isolation: _, ...statement }) => ({
      ...statement,
      text: replace(statement.text, "from (select 1) one", `from (select 1 where ${aged}) one`),
    })),
    replicas: 2,
    load: { dooming: 0.5, callsPerClient: 4 },
    faults: nothing,
    finds: ["I15", "I2"],
  },
  /** A cancelled order returns the items of the snapshot. */
  "the count of the items that a cancellation returns": {
    decorateDatabase: decorateOne("orders.update_statuses", (statement) => ({
      ...statement,
      text: replace(age(statement.text), "l.item_count <> (", "0 > ("),
    })),
    replicas: 2,
    load: { growing: 0.5, callsPerClient: 4 },
    faults: nothing,
    finds: ["I2"],
  },
  /** Stock is counted from the snapshot, on whose row the constraint is checked. */
  "the count of stock from what the lock finds": {
    decorateDatabase: decorateOne("orders.create", (statement) => ({
      ...statement,
      text: replace(
        replace(age(statement.text), "set on_hand = t.on_hand", "set on_hand = p.on_hand + t.on_hand"),
        "max(d.on_hand) - sum(d.quantity)",
        "-sum(d.quantity)",
      ),
    })),
    replicas: 2,
    load: {},
    faults: nothing,
    finds: ["I13"],
  },
} as const;
