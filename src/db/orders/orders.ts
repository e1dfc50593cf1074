import type { Cursor } from "../cursor.ts";
import type { OrderStatus } from "../order-status.ts";
import { notFound, orderType } from "../../errors.ts";
import { columns, statement, type Run } from "../engine/statement.ts";
import { toE4, toTimestamptz, type E4, type Micros } from "../engine/pg-types.ts";

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

/** Where the fields of `Order` are in the table `orders`; its items have a table of their own. */
export const orderColumns = columns<Omit<Order, "items">>({
  id: "id",
  userId: "user_id",
  status: "status",
  currencyCode: "currency_code",
  total: "total",
  itemCount: "item_count",
  reservesStock: "reserves_stock",
  version: "version",
  createTime: "create_time",
  updateTime: "update_time",
});

/**
 * Decimals travel as text inside JSON, which has no exact ones. The items are in no order: CockroachDB may
 * lose that of an aggregate which does not fit into memory.
 */
const itemsOf = `(
    select jsonb_agg(jsonb_build_array(i.position, i.id, i.product_id, i.quantity, i.unit_price::text))
    from order_items i where i.order_id = o.id
  )`;

type ItemRow = readonly [position: number, id: string, productId: string, quantity: number, price: string];
type OrderRow = Omit<Order, "items"> & { readonly items: readonly ItemRow[] | null };

/** The order of a row, with its items by position. */
export function toOrder<Row extends OrderRow>({ items, ...order }: Row): Omit<Row, "items"> & Order {
  if (items === null) return order;
  const sorted = items.toSorted(([a], [b]) => a - b);
  return {
    ...order,
    items: sorted.map(([, id, productId, quantity, price]) => ({
      id,
      productId,
      quantity,
      unitPrice: toE4(price),
    })),
  };
}

const selectOrders = statement<OrderRow & { readonly fingerprint: string }>(
  "orders.get",
  `select ${orderColumns.of("o")}, o.fingerprint, case when $2::bool then ${itemsOf} end as items
  from orders o where o.id = any($1::uuid[])`,
);

/** Reads orders by id, in no order; those that do not exist are missing. */
export async function getOrders(
  run: Run,
  ids: readonly string[],
  withItems: boolean,
): Promise<(Order & { readonly fingerprint: string })[]> {
  const rows = await run(selectOrders, [ids, withItems]);
  return rows.map((row) => toOrder(row));
}

/** One statement for each filter: a plan is made for the text, and each text has one index for its page. */
const eachFilter = <T>(make: (suffix: string, condition: string) => T) => ({
  all: make("", ""),
  user: make("_by_user", "and o.user_id = $4::uuid"),
  status: make("_by_status", "and o.status = $4::text"),
  userAndStatus: make("_by_user_and_status", "and o.user_id = $4::uuid and o.status = $5::text"),
});

const selectPage = (list: string, condition: string): string => `select ${list}
  from orders o where (o.create_time, o.id) < ($1::timestamptz, $2::uuid) ${condition}
  order by o.create_time desc, o.id desc limit $3::int4`;

const listBasic = eachFilter((suffix, condition) =>
  statement<Omit<Order, "items">>(`orders.list${suffix}`, selectPage(orderColumns.of("o"), condition)),
);

/**
 * A page with items ends with the order that takes it over so many items; an order counts as two more. That
 * is at most 11,000, whose longest form is 2.5 MB of JSON: a message may have 4 MiB.
 */
const pageItemsMax = 10_000;

/**
 * Apart from the lists without items, which take PostgreSQL little more than half of the time. The page is
 * cut before all else is looked up, by its shape and not by what a planner thinks of it: nothing else is
 * summed up, and items are read only of the orders that stay.
 */
const listFull = eachFilter((suffix, condition) =>
  statement<OrderRow & { readonly found: number }>(
    `orders.list_full${suffix}`,
    `select ${orderColumns.of("o")}, o.found, ${itemsOf} as items
  from (
    select ${orderColumns.bare}, (count(id) over ())::int4 as found,
      sum(item_count + 2) over (order by create_time desc, id desc) as upto
    from (${selectPage(orderColumns.bare, condition)}) p
  ) o
  where o.upto - o.item_count - 2 <= ${pageItemsMax}
  order by o.create_time desc, o.id desc`,
  ),
);

/** What of the orders a list shows. */
export type OrderFilter = {
  readonly userId: string | undefined;
  readonly status: OrderStatus | undefined;
  readonly withItems: boolean;
};

/**
 * Lists at most `size` orders behind a cursor, newest first, and says whether there are more. With items they
 * are fewer where they would be too large for a message.
 */
export async function listOrders(
  run: Run,
  { userId, status, withItems }: OrderFilter,
  after: Cursor,
  size: number,
): Promise<{ readonly orders: readonly Order[]; readonly more: boolean }> {
  const filter =
    userId === undefined
      ? status === undefined
        ? "all"
        : "status"
      : status === undefined
        ? "user"
        : "userAndStatus";
  const filterValues = [userId, status].filter((value) => value !== undefined);
  const values = [toTimestamptz(after.createTime), after.id, size + 1, ...filterValues];
  if (!withItems) {
    const rows = await run(listBasic[filter], values);
    return { orders: rows.slice(0, size), more: rows.length > size };
  }
  const rows = await run(listFull[filter], values);
  const orders = rows.slice(0, size).map(({ found: _, ...row }) => toOrder(row));
  return { orders, more: orders.length < (rows[0]?.found ?? 0) };
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
  from orders o left join (
    select version, status, create_time from order_events
    where order_id = $1::uuid and version > $2::int8 order by version limit $3::int4
  ) e on true
  where o.id = $1::uuid`,
);

/**
 * Lists at most `limit` events of an order behind a version, oldest first. Throws "not_found" without the
 * order.
 */
export async function listOrderEvents(
  run: Run,
  orderId: string,
  afterVersion: bigint,
  limit: number,
): Promise<OrderEvent[]> {
  const rows = await run(selectEvents, [orderId, afterVersion, limit]);
  if (rows.length === 0) throw notFound(orderType, orderId);
  const events = rows.filter((row): row is OrderEvent => row.version !== null);
  return events.toSorted((a, b) => Number(a.version - b.version));
}
