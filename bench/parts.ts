// What the parts of a call cost, each by itself: the service's own functions, in this process.
import pg from "pg";
import { runRow } from "./measure.ts";
import { createRun, pageSize } from "./part-run.ts";
import { measureMicros, type Repeat, repeat, repeatLater } from "./processor-time.ts";
import type { Plan } from "./plan.ts";
import { toUrl } from "./processes.ts";
import { type Contestant, listRows } from "./rows.ts";
import { allStatements, type Connection, toClientConfig, type User } from "./service/database.ts";
import { type Column, createRowReader, hearBytes, runStatements, toParameter } from "./service/parts.ts";
import { parseConfig } from "./service/server.ts";
import type { Stage } from "./stage.ts";
import { toMarkdown } from "./table.ts";

type Part = { readonly part: string; readonly getUser?: Repeat; readonly page?: Repeat };

/** Users who share a round trip: as many as under the load of 64 callers (by hand). */
const batchSize = 20;

/**
 * Tables of what the parts of a GetUser and of a page of 50 orders cost, in microseconds of processor time of
 * the service's process: each by itself in this process, and by what servers with fewer of them cost.
 */
export async function runParts(stage: Stage, plan: Plan): Promise<string> {
  const lines = await measureParts(stage.connection, plan);
  const parts = toMarkdown(["part", "GetUser µs", `page of ${pageSize} orders µs`], lines, [0]);
  return `${parts}\n\n${await measureFloors(stage, plan)}`;
}

const floors = {
  http2: "Node's http2 alone",
  "grpc-js": "grpc-js on it",
  memory: "with the pipeline and an answer from memory",
  ours: "with batchers and database: the service",
} as const;

/** What each server that does more than the one before costs, under the load of the rows. */
async function measureFloors(stage: Stage, plan: Plan): Promise<string> {
  const rows = listRows();
  const measure = async (name: string, contestants: readonly Contestant[]): Promise<number[]> => {
    const results = await runRow(
      stage,
      rows.find((row) => row.name === name)!,
      plan,
      contestants,
    );
    return results.map(({ cpuMsPerCall }) => cpuMsPerCall * 1_000);
  };
  const took = await measure("get-user", ["http2", "grpc-js", "memory", "ours"]);
  const [page = 0] = await measure("list-orders", ["ours"]);
  const lines = Object.values(floors).map((what, n) => {
    return [`GetUser: ${what}`, took[n]!.toFixed(0), (took[n]! - (took[n - 1] ?? 0)).toFixed(0)];
  });
  const pageLine = [`page of ${pageSize} orders: the service`, page.toFixed(0), ""];
  return toMarkdown(["answered by", "µs a call", "more"], [...lines, pageLine], [0]);
}

async function measureParts(connection: Connection, plan: Plan): Promise<string[][]> {
  const client = new pg.Client(toClientConfig(connection));
  hearBytes(client);
  await client.connect();
  try {
    const lines: string[][] = [];
    const toCell = async (work: Repeat | undefined): Promise<string> =>
      work ? (await measureMicros(work, plan.measureMs / 20, 2 * plan.alternations + 1)).toPrecision(3) : "";
    for (const { part, getUser, page } of await listParts(client, connection))
      lines.push([part, await toCell(getUser), await toCell(page)]);
    return lines;
  } finally {
    await client.end();
  }
}

async function listParts(client: pg.Client, connection: Connection): Promise<Part[]> {
  const users = await readUsers(client);
  const orders = await capture(client, "orders.list", [...newest, String(pageSize + 1)]);
  const config = parseConfig({ DATABASE_URL: toUrl(connection), LOG_LEVEL: "silent" });
  const run = await createRun(config, users.rows[0] as User, orders.rows);
  const { getUser, listOrders } = run;
  return [
    ...listRequestParts(run),
    { part: "service function, answered from memory", getUser: getUser.serve, page: listOrders.serve },
    { part: "batcher, 64 callers", getUser: run.batch },
    {
      part: `parameters, ${batchSize} users a round trip`,
      getUser: share(repeat(() => toParameter(users.ids))),
    },
    {
      part: `round trip to the database, ${batchSize} users share it, with its rows`,
      getUser: share(repeatLater(users.ask)),
      page: repeatLater(orders.ask),
    },
    { part: "of it: rows from their bytes", getUser: share(users.decode), page: orders.decode },
    { part: "encode the answer", getUser: getUser.encode, page: listOrders.encode },
    { part: "all but the listener, from memory", getUser: getUser.whole, page: listOrders.whole },
    { part: "a promise that is awaited", getUser: repeatLater(() => Promise.resolve()) },
  ];
}

type Run = Awaited<ReturnType<typeof createRun>>;

function listRequestParts({ getUser, listOrders, verify, sign }: Run): Part[] {
  return [
    { part: "decode the request", getUser: getUser.decode, page: listOrders.decode },
    { part: "validate it", getUser: getUser.validate, page: listOrders.validate },
    { part: "lifetime: timer, signal, metrics", getUser: getUser.live, page: listOrders.live },
    { part: "of it: metrics", getUser: getUser.observe, page: listOrders.observe },
    { part: "place in flight, bytes in receipt", getUser: getUser.admit, page: listOrders.admit },
    { part: "page token: verify", page: verify },
    { part: "page token: sign", page: sign },
  ];
}

/** As one call of those who share the work. */
function share(work: Repeat): Repeat {
  return (times) => work(Math.ceil(times / batchSize));
}

/** Above all instants and ids. */
const newest = ["9999-12-31T00:00:00Z", "ffffffff-ffff-ffff-ffff-ffffffffffff"];

async function readUsers(client: pg.Client) {
  const { rows } = await capture(client, "users.list", [...newest, String(batchSize)]);
  const ids = (rows as User[]).map(({ id }) => id);
  return { ids, ...(await capture(client, "users.get", [toParameter(ids)])) };
}

/** What a client hears of a result. */
type Heard = { on(event: string, hear: (message: never) => void): void; off: Heard["on"] };

/** Runs a statement of the service, and keeps the bytes of its rows. */
async function capture(client: pg.Client, name: string, values: readonly (string | null)[]) {
  const statement = allStatements().find((each) => each.name === name)!;
  const { connection: heard } = client as unknown as { readonly connection: Heard };
  const bytes: Buffer[] = [];
  let columns: readonly Column[] = [];
  const describe = ({ fields }: { readonly fields: readonly Column[] }) => (columns = fields);
  const hear = (row: { readonly bytes: Buffer; readonly start: number; readonly length: number }) =>
    bytes.push(Buffer.from(row.bytes.subarray(row.start, row.start + row.length)));
  heard.on("rowDescription", describe);
  heard.on("dataRow", hear);
  const parts = [{ statement, parameters: values }];
  const ask = async () => (await runStatements(client, parts))[0]!;
  const rows = await ask();
  heard.off("rowDescription", describe);
  heard.off("dataRow", hear);
  const read = createRowReader(columns);
  return { rows, ask, decode: repeat(() => bytes.map((row) => read(row, 0))) };
}
