import type { Engine } from "../../src/config.ts";
import type { Column } from "../../src/db/engine/columns.ts";
import type { Checkout, Pool } from "../../src/db/engine/pool.ts";
import { statement } from "../../src/db/engine/statement.ts";

/** How an attempt ends: with a failure of the statement, without a connection, or with one row. */
export type End = { readonly phase: "connecting" | "sent"; readonly cause: Error } | "done";

export const sent = (cause: Error): End => ({ phase: "sent", cause });
export const refused = (cause: Error): End => ({ phase: "connecting", cause });

/** A write for tests that run it on no server. */
export const write = statement<{ readonly value: string }>("test.write", "update test set value = 'done'");

type Ending = (number: number) => Promise<{ readonly rows: readonly unknown[] }>;

/** What node-postgres tells a query of its answer. */
type Submitted = {
  handleRowDescription(message: { readonly fields: readonly Column[] }): void;
  handleDataRow(row: { readonly bytes: Buffer; readonly start: number }): void;
  handleReadyForQuery(): void;
  handleError(error: unknown): void;
};

/** Answers a query with rows of texts, or an error. */
async function answer(query: Submitted, answered: ReturnType<Ending>): Promise<void> {
  try {
    for (const row of (await answered).rows as Readonly<Record<string, string>>[]) {
      const fields = Object.keys(row).map((name) => ({ name, dataTypeID: 25, format: "binary" }));
      query.handleRowDescription({ fields });
      query.handleDataRow({ bytes: toDataRow(Object.values(row)), start: 0 });
    }
    query.handleReadyForQuery();
  } catch (error) {
    query.handleError(error);
  }
}

function toDataRow(texts: readonly string[]): Buffer {
  const columns = texts.map((text) => [toInt32(Buffer.byteLength(text)), Buffer.from(text)]);
  return Buffer.concat([toInt32(texts.length).subarray(2), ...columns.flat()]);
}

function toInt32(number: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(number);
  return bytes;
}

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
    query(query: string | Submitted, values?: readonly unknown[]) {
      if (typeof query !== "string") return answer(query, run(own));
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
