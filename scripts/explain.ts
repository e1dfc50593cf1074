// Prints how the database runs each statement of the service: `npm run explain`.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { loadTables } from "./load-tables.ts";
import { createPool } from "../src/db/pool.ts";
import { startEmbedded } from "../src/db/embedded.ts";
import { explain, problemsOf } from "../src/db/explain.ts";
import { migrate } from "../src/db/migrate.ts";
import { allStatements } from "../src/db/statement.ts";
// Loading the server declares all statements.
import "../src/server.ts"; // oxlint-disable-line import/no-unassigned-import

const help = `Usage: npm run explain -- [options]

Fills a PostgreSQL of its own with orders and prints, for each statement of the service, the indexes that it
finds its rows by, the tables that it reads from end to end and the sorts of stored rows. Exit code 1 if there
are any of the latter two where there must be none.

  --orders N          orders to fill the tables with (default 20000)
  --statement NAME    print the whole plan of the statements whose names begin so
  --help              print this
`;

type Options = { readonly orders: number; readonly statement: string | undefined };

function readOptions(): Options {
  try {
    const { values } = parseArgs({
      options: { orders: { type: "string" }, statement: { type: "string" }, help: { type: "boolean" } },
    });
    if (values.help) {
      process.stdout.write(help);
      process.exit(0);
    }
    const orders = Number(values.orders ?? 20_000);
    if (!Number.isSafeInteger(orders) || orders < 1) throw new Error("--orders takes a whole number above 0");
    return { orders, statement: values.statement };
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n${help}`);
    return process.exit(2);
  }
}

async function run({ orders, statement: prefix }: Options): Promise<void> {
  await using resources = new AsyncDisposableStack();
  const directory = resources.adopt(await mkdtemp(path.join(tmpdir(), "commerce-core-explain-")), (made) =>
    rm(made, { recursive: true, force: true }),
  );
  const { connection } = resources.use(await startEmbedded(directory, { settings: ["fsync=off"] }));
  await migrate(connection, { engine: "postgresql" });
  const limits = {
    connsMax: 1,
    connsMin: 0,
    queueMax: 1,
    waitMsMax: 1_000,
    lifetimeMs: 3_600_000,
    idleMsMax: 1_000,
  };
  const pool = resources.use(createPool(connection, "postgresql", limits));
  const { client, release } = await pool.acquire({
    signal: new AbortController().signal,
    deadlineMs: Infinity,
  });
  resources.defer(() => release(true));
  await loadTables(client, orders);

  const chosen = allStatements().filter(({ name }) => prefix !== undefined && name.startsWith(prefix));
  if (prefix !== undefined && chosen.length === 0)
    throw new Error(`no statement's name begins with ${prefix}`);
  for (const statement of chosen)
    process.stdout.write(`${statement.name}\n${(await explain(client, statement)).text}\n\n`);
  if (chosen.length > 0) return;
  const plans = [];
  for (const statement of allStatements()) plans.push(await explain(client, statement));
  console.table(
    plans.map(({ name, indexes, scanned, sorts }) => ({
      statement: name,
      "rows found by": indexes.join(", "),
      "read from end to end": scanned.join(", "),
      sorts,
    })),
  );
  const problems = plans.flatMap(problemsOf);
  if (problems.length > 0) throw new Error(problems.join("; "));
}

await run(readOptions()).catch((error: unknown) => {
  process.stderr.write(`explain failed: ${(error as Error).message}\n`);
  process.exitCode = 1;
});
