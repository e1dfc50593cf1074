import type { Engine } from "../../src/config.ts";
import type { Checkout, Pool } from "../../src/db/engine/pool.ts";
import { statement } from "../../src/db/engine/statement.ts";

/** How an attempt ends: with a failure of the statement, without a connection, or with one row. */
export type End = { readonly phase: "connecting" | "sent"; readonly cause: Error } | "done";

export const sent = (cause: Error): End => ({ phase: "sent", cause });
export const refused = (cause: Error): End => ({ phase: "connecting", cause });

/** A write for tests that run it on no server. */
export const write = statement<{ readonly value: string }>("test.write", "update test set value = 'done'");

type Ending = (number: number) => Promise<{ readonly rows: readonly unknown[] }>;

/**
 * A pool whose connections are numbered and do what a test says: `run` is what becomes of a statement, a
 * session that is to be ended ends unless `endings` says otherwise, and `committed` is what a commit is
 * answered. What becomes of the connections is noted in `seen`.
 */
export function openTestPool(run: Ending, engine: Engine = "postgresql", committed = "COMMIT") {
  const seen: string[] = [];
  const endings: (boolean | Error)[] = [];
  const cancelled = Promise.withResolvers<void>();
  let connections = 0;
  const client = (own: number) => ({
    connection: { parsedStatements: { "test.prepared": "text" } },
    query(query: unknown, values?: readonly unknown[]) {
      if (typeof query !== "string") return run(own);
      if (!values) return Promise.resolve({ rows: [], command: committed });
      seen.push(`${own} ends ${String(values[0])}`);
      const ended = endings.shift() ?? true;
      return ended instanceof Error ? Promise.reject(ended) : Promise.resolve({ rows: [{ ended }] });
    },
  });
  const pool = {
    engine,
    async checkOut(): Promise<Checkout> {
      const own = ++connections;
      return {
        session: { processId: own, id: own.toString(16).padStart(32, "0"), node: "" },
        client: client(own) as unknown as Checkout["client"],
        cancel() {
          seen.push(`${own} is cancelled`);
          return cancelled.promise;
        },
        release: (sound) => void seen.push(`${own} ${sound ? "goes back" : "is destroyed"}`),
      };
    },
    renew: (stale?: string) => stale !== undefined && seen.push(`renew ${stale}`),
  };
  return { seen, cancelled, endings, pool: pool as unknown as Pool };
}

/** A pool of which one attempt after the other ends like this, the last one for ever. */
export function openFailingPool(ends: readonly End[]) {
  let attempts = 0;
  const next = (): End => ends[Math.min(attempts, ends.length - 1)]!;
  const { pool } = openTestPool(async () => {
    const end = next();
    attempts++;
    if (end === "done") return { rows: [{ value: "done" }] };
    throw end.cause;
  });
  const { checkOut } = pool;
  const refusing = async (): Promise<Checkout> => {
    const end = next();
    if (end === "done" || end.phase === "sent") return checkOut({ signal: forever, deadlineMs: Infinity });
    attempts++;
    throw end.cause;
  };
  return { pool: { ...pool, checkOut: refusing }, count: () => attempts };
}

/** The signal of a caller who does not leave. */
export const forever = new AbortController().signal;
