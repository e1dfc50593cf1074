import { randomUUID } from "node:crypto";
import type { Database } from "../../src/db/engine/database.ts";
import type { Deadline } from "../../src/db/engine/deadline.ts";
import type { Statement } from "../../src/db/engine/statement.ts";
import type { Violation } from "./checker.ts";
import type { FaultPlan } from "./faults.ts";
import { decorate, replace, type Query } from "./decorations.ts";
import { ofIsolation } from "./isolation-protections.ts";
import { ofRefusals } from "./refusal-protections.ts";
import type { Load } from "./calls.ts";

/** Services without one of their protections, the network that shows it, and what the checker must find. */
export type Unprotected = {
  readonly decorateDatabase: (db: Database) => Database;
  readonly faults: FaultPlan;
  readonly load?: Partial<Load>;
  /** How many services share the database; default: one. */
  readonly replicas?: number;
  readonly finds: readonly Violation["invariant"][];
  /** What the database itself would not allow. */
  readonly sql?: string;
};

/** Where statements have the ids that are derived from the call. */
type IdPositions = Readonly<Record<string, number>>;
const unary: IdPositions = { "products.adjust_stock": 2, "orders.update_statuses": 6 };
const imported: IdPositions = { "orders.add_items": 5 };

/** Answers are lost, as often as on a network that is about to fail. */
const lostAnswers: FaultPlan = { names: ["drop_answer"], probability: 0.1 };
const nothing: FaultPlan = { names: [], probability: 0 };

/** Each protection of the service, taken away. */
export const unprotected = {
  /** A call that is repeated is another call. The callers are impatient. */
  "derived ids": {
    decorateDatabase: replaceIds(unary, (db, ...query) => db.query(...query)),
    faults: { names: ["delay"], probability: 0.2 },
    load: { leaving: 0.25 },
    finds: ["I3"],
  },
  /** A row that is imported again, behind a cut or by a repeated import, is another row. */
  "derived ids of imported items": {
    decorateDatabase: replaceIds(imported, (db, ...query) => db.query(...query)),
    faults: nothing,
    finds: ["I3", "I11"],
  },
  /** The service runs a statement again whose commit was lost, as if it had not happened. */
  "resolution of ambiguous commits": {
    decorateDatabase: replaceIds(unary, (db, statement, values, deadline) =>
      db.query(statement, renewedIds(unary, statement, values), deadline),
    ),
    faults: lostAnswers,
    finds: ["I3"],
  },
  /** Stock is read, changed in memory and written, as read committed lets one do. */
  "the locks of the stock": {
    decorateDatabase: decorate((db) => async (statement, values, deadline) => {
      const text = { "products.adjust_stock": readThenWrite, "orders.create": readThenWrite }[statement.name];
      if (!text) return db.query(statement, values, deadline);
      return db.query({ ...statement, text: text(statement.text) }, values, deadline);
    }),
    faults: nothing,
    finds: ["I2"],
  },
  /** Orders take what they ask for. */
  "the guard of the stock": {
    decorateDatabase: decorate((db) => (statement, values, deadline) => {
      if (statement.name !== "orders.create") return db.query(statement, values, deadline);
      const text = replace(replace(statement.text, "quantity > on_hand", "false"), "upto > on_hand", "false");
      return db.query({ ...statement, text }, values, deadline);
    }),
    faults: nothing,
    finds: ["I2"],
    sql: "alter table products drop constraint products_on_hand_check",
  },
  /** A refused order is refused, without a look whether an earlier attempt has placed it. */
  "the look for the own order after a refusal": {
    decorateDatabase: decorate((db) => {
      const refused = new WeakMap<Deadline, Set<unknown>>();
      return async (statement, values, deadline) => {
        const rows = await db.query(statement, values, deadline);
        if (statement.name === "orders.create")
          refused.set(deadline, findRefused(rows as CreatedRow[], values));
        if (statement.name !== "orders.get") return rows;
        return rows.filter((row) => !refused.get(deadline)?.has((row as { id?: unknown }).id));
      };
    }),
    faults: { names: ["drop_answer"], probability: 0.15 },
    finds: ["I3", "I5"],
  },
  ...ofRefusals,
  ...ofIsolation,
} as const satisfies Record<string, Unprotected>;

function renewIds(
  positions: IdPositions,
  { name }: Statement<unknown>,
  values: readonly unknown[],
): unknown[] {
  const ids = values[positions[name]!] as unknown[];
  return values.with(
    positions[name]!,
    ids.map(() => randomUUID()),
  );
}

/** Values of which each attempt, which reads them anew, has other ids. */
function renewedIds(...[positions, statement, values]: Parameters<typeof renewIds>): unknown[] {
  const position = positions[statement.name]!;
  const get = (): unknown => renewIds(positions, statement, values)[position];
  return Object.defineProperty([...values], position, { get });
}

function replaceIds(
  positions: IdPositions,
  run: (db: Database, ...query: Parameters<Query>) => Promise<unknown[]>,
): (db: Database) => Database {
  return decorate((db) => async (statement, values, deadline) => {
    if (!(statement.name in positions)) return db.query(statement, values, deadline);
    return (await run(db, statement, renewIds(positions, statement, values), deadline)) as never;
  });
}

/** Writes what was read before, without a lock. */
function readThenWrite(text: string): string {
  return replace(text, /(locked as \([^)]*\([^)]*\)[^)]*) for update/, "$1");
}

type CreatedRow = { readonly n: number; readonly verdict: string };

function findRefused(rows: readonly CreatedRow[], values: readonly unknown[]): Set<unknown> {
  const refused = rows.filter(({ verdict }) => !["created", "existed", "contended"].includes(verdict));
  // Behind the products and the users.
  const [numbers, ids] = values.slice(3);
  return new Set(refused.map(({ n }) => (ids as unknown[])[(numbers as number[]).indexOf(n)]));
}
