import { randomUUID } from "node:crypto";
import { fromBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import type pg from "pg";
import { type Calls, choose, cycle, encode, pathOf, price } from "./calls.ts";
import { type Client, ok, readMessages } from "./client.ts";
import { copyRows } from "./copy.ts";
import {
  ImportOrderItemsResponseSchema,
  ImportOrdersResponseSchema,
  OrderService,
  StockPolicy,
} from "./service/contract.ts";
import type { Work } from "./slice.ts";

type ImportWork = Extract<Work, { readonly method: "ImportOrders" | "ImportOrderItems" }>;

const { importOrders, importOrderItems } = OrderService.method;

/** Calls that each import all rows once. They leave the stock alone, as COPY does. */
export function createImports(work: ImportWork, client: Client): Calls {
  const isOrders = work.method === "ImportOrders";
  const method = isOrders ? importOrders : importOrderItems;
  const schema = isOrders ? ImportOrdersResponseSchema : ImportOrderItemsResponseSchema;
  // Without a request_id, so that it is another import each time.
  const frame = isOrders
    ? encode(importOrders, { orders: times(work.rows, () => toDraft(work)) })
    : encode(importOrderItems, {
        items: times(work.rows, (n) => ({ orderId: orderOf(work, n), item: toItem(work) })),
      });
  return cycle([frame], async (message) => {
    const answer = await client.call(pathOf(method), message);
    if (answer.code !== ok) return answer.code;
    let inserted = 0;
    for (const bytes of readMessages(answer)) inserted += fromBinary(schema, bytes).chunk!.insertedCount;
    return inserted === work.rows ? ok : Code.DataLoss;
  });
}

/** Copies that a slice makes at most: each needs ids of its own, which are made before the clock runs. */
const copiesMax = 2;

/**
 * The same rows in the same tables by COPY, in one transaction for each call; the totals of orders that have
 * got items follow in one statement.
 */
export function createCopies(work: ImportWork, pool: pg.Pool): Calls {
  const tables = times(copiesMax, (n) =>
    work.method === "ImportOrders" ? toOrders(work) : toItems(work, n),
  );
  return cycle(tables, async (texts) => {
    const client = await pool.connect();
    try {
      await client.query("begin");
      for (const [table, text] of texts) await copyRows(client, table, text);
      if (work.method === "ImportOrderItems")
        await client.query(updateTotals, [work.orderIds, itemsPer(work)]);
      await client.query("commit");
      return ok;
    } finally {
      client.release();
    }
  });
}

type OrdersWork = Extract<ImportWork, { readonly method: "ImportOrders" }>;
type ItemsWork = Extract<ImportWork, { readonly method: "ImportOrderItems" }>;
type Tables = readonly (readonly [table: string, text: string])[];

const itemColumns = "order_items (order_id, id, position, product_id, quantity, unit_price)";

function toOrders(work: OrdersWork): Tables {
  const ids = times(work.rows, () => randomUUID());
  const orders = ids.map((id) =>
    [id, choose(work.userIds), "pending", "EUR", "29.97", 3, "f", randomUUID()].join("\t"),
  );
  const items = ids.flatMap((id) =>
    times(3, (n) => [id, randomUUID(), n, choose(work.productIds), 1, "9.99"].join("\t")),
  );
  const orderColumns =
    "orders (id, user_id, status, currency_code, total, item_count, reserves_stock, fingerprint)";
  return [
    [orderColumns, toText(orders)],
    [itemColumns, toText(items)],
    [eventColumns, toText(ids.map((id) => `${id}\t1\tpending`))],
  ];
}

function toItems(work: ItemsWork, copy: number): Tables {
  const items = times(work.rows, (n) =>
    [orderOf(work, n), randomUUID(), n, choose(work.productIds), 1, "9.99"].join("\t"),
  );
  // Each copy meets its orders in another version; the events of one version are written once.
  const events = work.orderIds.map((id) => [id, 2 + copy, "pending"].join("\t"));
  return [
    [itemColumns, toText(items)],
    [eventColumns, toText(events)],
  ];
}

const eventColumns = "order_events (order_id, version, status)";

const updateTotals = `
  update orders set total = total + $2 * 9.99, item_count = item_count + $2, version = version + 1,
    update_time = now()
  where id = any($1::uuid[])`;

function itemsPer({ rows, orderIds }: ItemsWork): number {
  return rows / orderIds.length;
}

function toText(lines: readonly string[]): string {
  return `${lines.join("\n")}\n`;
}

function toDraft(work: OrdersWork) {
  return { userId: choose(work.userIds), stockPolicy: StockPolicy.NONE, items: times(3, () => toItem(work)) };
}

function toItem({ productIds }: ImportWork) {
  return { productId: choose(productIds), quantity: 1, unitPrice: price };
}

/** The items of an order stand together, as they do in a file. */
function orderOf({ orderIds, rows }: ItemsWork, n: number): string {
  return orderIds[Math.floor((n * orderIds.length) / rows)]!;
}

function times<T>(count: number, make: (n: number) => T): T[] {
  return Array.from({ length: count }, (_, n) => make(n));
}
