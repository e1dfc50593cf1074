// Drives the service as its callers do and checks the result by reading it back: `npm run demo`.
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { createClient, type Interceptor } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import pLimit from "p-limit";
import { parseConfig } from "../src/config.ts";
import { InventoryService } from "../src/gen/commerce/inventory/v1/inventory_service_pb.ts";
import { type Order, OrderService } from "../src/gen/commerce/order/v1/order_service_pb.ts";
import { UserService } from "../src/gen/commerce/user/v1/user_service_pb.ts";
import { startServer } from "../src/server.ts";
import {
  type Check,
  checkOrders,
  checkStock,
  checkTotals,
  nameOf,
  readOrders,
  readProducts,
} from "./demo/audit.ts";
import { createMeter } from "./demo/meter.ts";
import { formatNanos, toNanos } from "./demo/money.ts";
import { planDemo, type Size } from "./demo/plan.ts";
import {
  createEach,
  createProducts,
  createUsers,
  type Each,
  moveOrder,
  placeOrder,
  type Shop,
} from "./demo/shop.ts";
import { writeOrders } from "./demo/write.ts";

const options = {
  url: { type: "string" },
  orders: { type: "string", default: "2000" },
  concurrency: { type: "string", default: "32" },
  users: { type: "string", default: "40" },
  products: { type: "string", default: "200" },
  seed: { type: "string", default: "1" },
  write: { type: "string" },
  help: { type: "boolean", default: false },
} as const;

const help = `npm run demo -- [options]

  --url URL          a running server, such as http://127.0.0.1:50051; also DEMO_URL.
                     Without it the demo starts its own, on free ports and in a directory that it removes.
  --orders N         orders to place (2000)
  --concurrency N    calls at a time (32)
  --users N          users who buy (40)
  --products N       products to sell, a few of them popular and a few scarce (200)
  --seed N           decides who buys what (1)
  --write FILE       place no orders: create users and products on the server of --url, and write the orders
                     to a file for npm run import

Exit code 1 if a check fails, 2 if an option cannot be read.`;

type Options = {
  readonly size: Size;
  readonly concurrency: number;
  readonly url: string | undefined;
  readonly write: string | undefined;
};

const asked = readOptions();
try {
  process.exitCode = asked === "help" ? printHelp() : await main(asked);
} catch (error) {
  console.error(`the demo stopped: ${toMessage(error)}`);
  process.exitCode = 1;
}

async function main({ size, concurrency, url, write }: Options): Promise<number> {
  const each = createEach(pLimit(concurrency), process.stdout);
  if (write !== undefined) {
    await withShop(url!, [], (shop) => writeOrders(shop, size, each, write));
    console.log(`${write}: ${size.orders} orders; npm run import -- --url ${url} ${write}`);
    return 0;
  }
  const checks = url === undefined ? await runAlone(size, each) : await runAgainst(url, size, each);
  return report(checks);
}

/** What the command line asks for; ends the process with 2 where it cannot be read. */
function readOptions(): Options | "help" {
  try {
    const { values } = parseArgs({ options });
    if (values.help) return "help";
    const url = values.url ?? process.env["DEMO_URL"];
    if (url !== undefined && !URL.canParse(url)) throw new Error("--url (or DEMO_URL) takes a URL");
    const size: Size = {
      orders: toCount("orders", values.orders),
      users: toCount("users", values.users),
      products: toCount("products", values.products),
      seed: toCount("seed", values.seed),
    };
    if (values.write !== undefined && url === undefined) throw new Error("--write needs --url");
    return { size, concurrency: toCount("concurrency", values.concurrency), url, write: values.write };
  } catch (error) {
    console.error(`${toMessage(error)}; --help lists the options`);
    return process.exit(2);
  }
}

function printHelp(): number {
  console.log(help);
  return 0;
}

function toMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Runs against a server of its own, which leaves nothing behind. */
async function runAlone(size: Size, each: Each): Promise<Check[]> {
  await using directory = await mkdtempDisposable(path.join(tmpdir(), "commerce-demo-"));
  const anyPort = "127.0.0.1:0";
  await using server = await startServer(
    parseConfig({
      DATA_DIR: directory.path,
      GRPC_ADDR: anyPort,
      HTTP_ADDR: anyPort,
      ADMIN_ADDR: anyPort,
      LOG_LEVEL: "warn",
    }),
  );
  return await runAgainst(`http://${server.grpc.host}:${server.grpc.port}`, size, each);
}

async function runAgainst(url: string, size: Size, each: Each): Promise<Check[]> {
  const meter = createMeter();
  console.log(`${url}: ${size.orders} orders of ${size.products} products by ${size.users} users\n`);
  return await withShop(url, [meter.interceptor], async (shop) => {
    const { checks, orders, refused } = await trade(shop, size, each);
    console.log(`\n${[...toSummary(orders, refused), "", ...meter.lines()].join("\n")}\n`);
    return checks;
  });
}

async function withShop<T>(
  url: string,
  interceptors: Interceptor[],
  use: (shop: Shop) => Promise<T>,
): Promise<T> {
  const sessionManager = new Http2SessionManager(url);
  const transport = createGrpcTransport({ baseUrl: url, sessionManager, interceptors });
  try {
    return await use({
      users: createClient(UserService, transport),
      orders: createClient(OrderService, transport),
      inventory: createClient(InventoryService, transport),
    });
  } finally {
    // An idle connection would keep this process alive.
    sessionManager.abort();
  }
}

type Outcome = { readonly checks: Check[]; readonly orders: Order[]; readonly refused: number };

async function trade(shop: Shop, size: Size, each: Each): Promise<Outcome> {
  const plan = planDemo(size);
  const userIds = await createUsers(shop, each, size.users);
  const initial = await createProducts(shop, each, plan.products);
  const placed = await each("placing orders", plan.orders, async (planned) => {
    const order = await placeOrder(shop, planned, userIds, initial, plan.products);
    return order === undefined ? undefined : { order, steps: planned.steps };
  });
  const accepted = placed.filter((one) => one !== undefined);
  const moved = await each(
    "confirming, shipping, delivering and cancelling orders",
    accepted,
    ({ order, steps }) => moveOrder(shop, order, steps),
  );

  const orders = await readOrders(shop, each, userIds);
  const products = await readProducts(
    shop,
    initial.map(({ id }) => id),
  );
  const checks = [checkOrders(moved, orders), checkTotals(orders), checkStock(initial, products, orders)];
  return { checks, orders, refused: placed.length - accepted.length };
}

function toSummary(orders: readonly Order[], refused: number): string[] {
  const toLine = (name: string, count: string, money: string) =>
    `${name.padEnd(20)} ${count.padStart(7)} ${money.padStart(24)}`.trimEnd();
  const byStatus = Map.groupBy(
    orders.toSorted((a, b) => a.status - b.status),
    ({ status }) => status,
  );
  const lines = Array.from(byStatus, ([status, group]) => {
    const nanos = group.reduce((sum, { total }) => sum + toNanos(total), 0n);
    return toLine(nameOf(status), String(group.length), formatNanos(nanos));
  });
  return [toLine("", "orders", "money"), ...lines, toLine("too little stock", String(refused), "")];
}

function report(checks: readonly Check[]): number {
  for (const { promise, violations } of checks) {
    console.log(violations.length === 0 ? `ok      ${promise}` : `FAILED  ${promise}`);
    for (const violation of violations.slice(0, 5)) console.error(`        ${violation}`);
    if (violations.length > 5) console.error(`        and ${violations.length - 5} more`);
  }
  return checks.every(({ violations }) => violations.length === 0) ? 0 : 1;
}

function toCount(name: string, text: string): number {
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < 1) throw new Error(`--${name} takes a whole number above zero`);
  return count;
}
