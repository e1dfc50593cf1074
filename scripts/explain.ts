// Prints how the database runs each statement of the service, or the SQL itself: `npm run explain`.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { loadTables } from "./load-tables.ts";
import { limitTables } from "./limits.ts";
import { toTable } from "./plan-table.ts";
import { toText } from "./text-table.ts";
import type { Engine } from "../src/config.ts";
import { createPool, type Checkout } from "../src/db/engine/pool.ts";
import { startEmbedded } from "../src/db/embedded/embedded.ts";
import { explain, problemsOf } from "./plan.ts";
import { migrate } from "../src/db/migrate/migrate.ts";
import { allStatements } from "../src/db/engine/statement.ts";
import { readTexts } from "../src/db/texts.ts";
// Loading it declares all SQL.
import "../src/server.ts";

const help = `Usage: npm run explain -- [options]

Fills a PostgreSQL of its own with orders and prints, for each statement of the service, the indexes that it
finds its rows by, the tables that it reads from end to end and the sorts of stored rows.

  --orders N          orders to fill the tables with (default 20000)
  --statement NAME    print the whole plan of the statements whose names begin so
  --texts ENGINE      instead, print every SQL text that the service can send to ENGINE (cockroachdb or
                      postgresql), its migrations included, as JSON: {"name": "text"}; with npm run -s
                      nothing else is printed
  --limits            instead, print what bounds calls, connections and what they hold, as docs/limits.md does
  --help              print this

Exit codes: 0 every plan is as it must be, 1 a table is read from end to end or a page is sorted, 2 the
arguments are wrong.
`;

const engines = ["cockroachdb", "postgresql"] as const satisfies readonly Engine[];

type Options = {
  readonly orders: number;
  readonly statement: string | undefined;
  readonly texts: Engine | undefined;
  readonly limits: boolean;
};

function readOptions(): Options {
  try {
    const { values } = parseArgs({
      options: {
        orders: { type: "string", default: "20000" },
        statement: { type: "string" },
        texts: { type: "string" },
        limits: { type: "boolean", default: false },
        help: { type: "boolean" },
      },
    });
    if (values.help) {
      process.stdout.write(help);
      process.exit(0);
    }
    const orders = Number(values.orders);
    if (!Number.isSafeInteger(orders) || orders < 1) throw new Error("--orders takes a whole number above 0");
    const texts = engines.find((engine) => engine === values.texts);
    if (texts !== values.texts) throw new Error(`--texts takes ${engines.join(" or ")}`);
    const { statement } = values;
    if (statement !== undefined && !allStatements().some(({ name }) => name.startsWith(statement)))
      throw new Error(`no statement's name begins with ${statement}`);
    return { orders, statement, texts, limits: values.limits };
  } catch (error) {
    process.stderr.write(`explain: ${(error as Error).message}; see --help\n`);
    return process.exit(2);
  }
}

async function run({ orders, statement: prefix, texts, limits }: Options): Promise<void> {
  if (limits) {
    for (const table of limitTables()) process.stdout.write(toText(table));
    return;
  }
  if (texts !== undefined) {
    const all = Object.fromEntries(await readTexts(texts));
    process.stdout.write(`${JSON.stringify(all, undefined, 2)}\n`);
    return;
  }
  await using database = await openDatabase();
  const { client } = database.checkout;
  await loadTables(client, orders);
  const chosen = allStatements().filter(({ name }) => name.startsWith(prefix ?? ""));
  const plans = [];
  for (const statement of chosen) plans.push(await explain(client, statement));
  if (prefix === undefined) process.stdout.write(`${toTable(plans)}\n`);
  else for (const { name, text } of plans) process.stdout.write(`${name}\n${text}\n\n`);
  const problems = plans.flatMap(problemsOf);
  if (problems.length > 0) throw new Error(problems.join("; "));
}

/** Opens a temporary PostgreSQL and connects with the service's settings. */
async function openDatabase(): Promise<AsyncDisposable & { readonly checkout: Checkout }> {
  await using opening = new AsyncDisposableStack();
  const directory = opening.adopt(await mkdtemp(path.join(tmpdir(), "commerce-core-explain-")), (made) =>
    rm(made, { recursive: true, force: true }),
  );
  const { connection } = opening.use(await startEmbedded(directory, { settings: ["fsync=off"] }));
  await migrate(connection, { engine: "postgresql" });
  const limits = {
    connsMax: 1,
    connsMin: 0,
    queueMax: 1,
    waitMsMax: 1_000,
    lifetimeMs: 3_600_000,
    idleMsMax: 1_000,
  };
  const pool = opening.use(createPool(connection, "postgresql", limits));
  const checkout = await pool.checkOut({ signal: new AbortController().signal, deadlineMs: Infinity });
  opening.defer(() => checkout.release(true));
  const open = opening.move();
  return { checkout, [Symbol.asyncDispose]: () => open.disposeAsync() };
}

await run(readOptions()).catch((error: unknown) => {
  process.stderr.write(`explain failed: ${(error as Error).message}\n`);
  process.exitCode = 1;
});
