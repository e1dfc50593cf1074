import pg from "pg";
import type { Connection } from "../../src/config.ts";
import { toClientConfig } from "../../src/db/engine/connection.ts";
import type { Line, SeenEvent, SeenOrder, SeenProduct, SeenUser } from "./history.ts";

/** All that the database holds when nothing runs any more. */
export type FinalState = {
  readonly users: readonly SeenUser[];
  /** One for each change of a user after his creation. */
  readonly userChanges: readonly { readonly userId: string }[];
  /** `initial` is the stock that the product was created with. */
  readonly products: readonly (SeenProduct & { readonly initial: number })[];
  /** Changes of stock that no order made, the initial ones left out. */
  readonly movements: readonly { readonly productId: string; readonly delta: number }[];
  readonly orders: readonly (SeenOrder & { readonly lines: readonly Line[] })[];
  /** By order and version. */
  readonly events: readonly SeenEvent[];
};

type Row<T> = pg.QueryResultRow & { [K in keyof T]: T[K] };

/** Reads the tables, past the service and past the proxy. */
export async function readFinalState(connection: Connection): Promise<FinalState> {
  const client = new pg.Client(toClientConfig(connection));
  client.on("error", () => {});
  await client.connect();
  const read = async <T>(text: string): Promise<T[]> => (await client.query<Row<T>>(text)).rows;
  try {
    await client.query("begin isolation level serializable read only");
    const lines = Map.groupBy(await read<Line & { orderId: string }>(selectLines), ({ orderId }) => orderId);
    const orders = await read<Omit<SeenOrder, "lines">>(selectOrders);
    return {
      users: await read(selectUsers),
      userChanges: await read(selectUserChanges),
      products: await read(selectProducts),
      movements: await read(
        `select product_id as "productId", delta::float8 from stock_movements where id <> product_id`,
      ),
      orders: orders.map((order) => ({
        ...order,
        lines: (lines.get(order.id) ?? []).map(({ orderId: _, ...line }) => line),
      })),
      events: await read(
        `select order_id as "orderId", version::float8, status from order_events
         where refusal is null order by order_id, version`,
      ),
    };
  } finally {
    await client.end();
  }
}

const selectUsers = `select id, email, name, version::float8 from users`;

/** Without refusals and deletions, whose ids are the users', and creations, which have their fingerprints. */
const selectUserChanges = `
  select c.user_id as "userId"
  from user_changes c left join users u on u.id = c.user_id and u.fingerprint = c.fingerprint
  where c.id <> c.user_id and u.id is null`;

const selectProducts = `
  select p.id, p.name, p.on_hand::float8 as "onHand", p.version::float8, m.delta::float8 as initial
  from products p join stock_movements m on m.id = p.id`;

const selectOrders = `
  select id, user_id as "userId", status, version::float8, (total * 10000)::float8 as total,
    item_count as "itemCount", reserves_stock as reserves,
    round(extract(epoch from create_time) * 1000000)::float8 as "createTime"
  from orders`;

const selectLines = `
  select order_id as "orderId", product_id as "productId", quantity,
      (unit_price * 10000)::float8 as "unitPrice"
  from order_items order by order_id, position`;
