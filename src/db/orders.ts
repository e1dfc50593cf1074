import type { Database } from "./database.ts";
import { notFound, orderType } from "./outcome.ts";
import type { Budget } from "./retry.ts";
import { statement } from "./statement.ts";
import { toE4, toTimestamptz, type E4, type Micros } from "./values.ts";

/** The states of an order and, for each, those that it may move to. */
export const statusMachine = {
  pending: ["confirmed", "cancelled"],
  confirmed: ["shipped", "cancelled"],
  shipped: ["delivered"],
  delivered: [],
  cancelled: [],
} as const satisfies Record<string, readonly string[]>;

export type OrderStatus = keyof typeof statusMachine;

export type OrderItem = {
  readonly id: string;
  readonly productId: string;
  readonly quantity: number;
  readonly unitPrice: E4;
};

/** An order as it is stored; `items` only where they were asked for. */
export type Order = {
  readonly id: string;
  readonly userId: string;
  readonly status: OrderStatus;
  readonly currencyCode: string;
  readonly total: E4;
  readonly itemCount: number;
  readonly reservesStock: boolean;
  readonly version: bigint;
  readonly createTime: Micros;
  readonly updateTime: Micros;
  readonly items?: readonly OrderItem[];
};

/** Orders are listed by instant and id, newest first; a page begins behind this one. */
export type Cursor = { readonly createTime: Micros; readonly id: string };

/** The columns of `orders` under the names of `Order`: this is the whole row mapping. */
export const orderColumns = `
  o.id, o.user_id as "userId", o.status, o.currency_code as "currencyCode", o.total,
  o.item_count as "itemCount", o.reserves_stock as "reservesStock", o.version,
  o.create_time as "createTime", o.update_time as "updateTime"`;

/** Decimals travel as text inside JSON, which has no exact ones. */
const itemsColumn = (wanted: string): string => `
  case when ${wanted} then (
    select jsonb_agg(
      jsonb_build_array(i.id, i.product_id, i.quantity, i.unit_price::text) order by i.position, i.id
    )
    from order_items i where i.order_id = o.id
  ) end as items`;

type OrderRow = Omit<Order, "items"> & { readonly items: [string, string, number, string][] | null };

const toOrder = ({ items, ...order }: OrderRow): Order =>
  items === null
    ? order
    : {
        ...order,
        items: items.map(([id, productId, quantity, unitPrice]) => ({
          id,
          productId,
          quantity,
          unitPrice: toE4(unitPrice),
        })),
      };

const selectOrders = statement<OrderRow & { readonly fingerprint: string }>(
  "orders.get",
  `select ${orderColumns}, o.fingerprint, ${itemsColumn("$2::bool")}
  from orders o where o.id = any($1::uuid[])`,
);

/** Reads orders by id, in no order; those that do not exist are missing. */
export async function getOrders(
  db: Database,
  budget: Budget,
  ids: readonly string[],
  withItems: boolean,
): Promise<(Order & { readonly fingerprint: string })[]> {
  const rows = await db.query(selectOrders, [ids, withItems], budget);
  return rows.map(({ fingerprint, ...row }) => ({ ...toOrder(row), fingerprint }));
}

/**
 * One statement for each filter: a plan is made for the text, and each text has one index to read its page
 * from.
 */
const listOrdersBy = (name: string, filter: string) =>
  statement<OrderRow>(
    name,
    `select ${orderColumns}, ${itemsColumn("$4::bool")}
  from orders o where (o.create_time, o.id) < ($1::timestamptz, $2::uuid) ${filter}
  order by o.create_time desc, o.id desc limit $3::int4`,
  );

const listAll = listOrdersBy("orders.list", "");
const listByUser = listOrdersBy("orders.list_by_user", "and o.user_id = $5::uuid");
const listByStatus = listOrdersBy("orders.list_by_status", "and o.status = $5::text");
const listByUserAndStatus = listOrdersBy(
  "orders.list_by_user_and_status",
  "and o.user_id = $5::uuid and o.status = $6::text",
);

/** What of the orders a list shows. */
export type OrderFilter = {
  readonly userId: string | undefined;
  readonly status: OrderStatus | undefined;
  readonly withItems: boolean;
};

/** Lists at most `limit` orders behind a cursor, newest first. */
export async function listOrders(
  db: Database,
  budget: Budget,
  { userId, status, withItems }: OrderFilter,
  after: Cursor,
  limit: number,
): Promise<Order[]> {
  const text =
    userId === undefined
      ? status === undefined
        ? listAll
        : listByStatus
      : status === undefined
        ? listByUser
        : listByUserAndStatus;
  const filters = [userId, status].filter((value) => value !== undefined);
  const values = [toTimestamptz(after.createTime), after.id, limit, withItems, ...filters];
  return (await db.query(text, values, budget)).map(toOrder);
}

/** A step in the history of an order. */
export type OrderEvent = {
  readonly version: bigint;
  readonly status: OrderStatus;
  readonly createTime: Micros;
};

const selectEvents = statement<{ readonly [K in keyof OrderEvent]: OrderEvent[K] | null }>(
  "orders.list_events",
  `select e.version, e.status, e.create_time as "createTime"
  from orders o left join lateral (
    select version, status, create_time from order_events
    where order_id = o.id and version > $2::int8 order by version limit $3::int4
  ) e on true
  where o.id = $1::uuid`,
);

/**
 * Lists at most `limit` events of an order behind a version, oldest first. Throws "not_found" without the
 * order.
 */
export async function listOrderEvents(
  db: Database,
  budget: Budget,
  orderId: string,
  afterVersion: bigint,
  limit: number,
): Promise<OrderEvent[]> {
  const rows = await db.query(selectEvents, [orderId, afterVersion, limit], budget);
  if (rows.length === 0) throw notFound(orderType, orderId);
  const events = rows.filter((row): row is OrderEvent => row.version !== null);
  return events.toSorted((a, b) => Number(a.version - b.version));
}
