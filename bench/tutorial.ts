import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { DomainError, type StatusName, targetsOf } from "./service/database.ts";

/** The tutorial's helper, as it stands there: three tries, 100, 200 and 400 ms, also after the last one. */
export async function executeInTransaction<T>(
  pool: pg.Pool,
  work: (tx: pg.PoolClient) => Promise<T>,
): Promise<T> {
  const maxRetries = 3;
  const baseDelayMs = 100;
  let lastError: unknown;
  for (let attempt = 0; attempt < maxRetries; attempt++) {
    try {
      return await executeTransaction(pool, work);
    } catch (error) {
      if (!isRetryableError(error)) throw error;
      lastError = error;
      await sleep(baseDelayMs * 2 ** attempt);
    }
  }
  const message = `transaction failed after ${maxRetries} retries`;
  throw new DomainError("CONTENTION", message, {}, lastError);
}

async function executeTransaction<T>(pool: pg.Pool, work: (tx: pg.PoolClient) => Promise<T>): Promise<T> {
  const tx = await pool.connect();
  let broken: Error | undefined;
  try {
    await tx.query("begin");
    const result = await work(tx).catch(async (error: unknown) => {
      await tx.query("rollback").catch((failure: Error) => (broken = failure));
      throw error;
    });
    await tx.query("commit");
    return result;
  } finally {
    tx.release(broken);
  }
}

function isRetryableError(error: unknown): boolean {
  return ["40001", "40003", "CR000"].includes((error as { code?: string }).code ?? "");
}

/** A user, as the tutorial's GetByID reads one. */
export async function getUser(pool: pg.Pool, id: string): Promise<UserRow | undefined> {
  const { rows } = await pool.query<UserRow>({ name: "get_user", text: selectUser, values: [id] });
  return rows[0];
}

export type UserRow = {
  readonly id: string;
  readonly email: string;
  readonly name: string;
  readonly created_at: bigint;
  readonly updated_at: bigint;
};

const selectUser = `
  select id, email, name, password_hash, create_time as created_at, update_time as updated_at
  from users where id = $1`;

export type ItemRow = { readonly productId: string; readonly quantity: number; readonly unitPrice: string };
export type OrderRow = {
  readonly id: string;
  readonly user_id: string;
  readonly status: StatusName;
  readonly total_amount: bigint;
  readonly created_at: bigint;
  readonly updated_at: bigint;
};

const orderColumns = `
  id, user_id, status, total as total_amount, create_time as created_at, update_time as updated_at`;

// The columns that the tutorial does not know are filled as cheaply as they can be.
const insertOrder = `
  insert into orders (id, user_id, status, currency_code, total, item_count, reserves_stock, fingerprint)
  values (gen_random_uuid(), $1, $2, $3, $4, $5, true, gen_random_uuid())
  returning ${orderColumns}`;

const insertItem = `
  insert into order_items (order_id, id, position, product_id, quantity, unit_price)
  values ($1, gen_random_uuid(), $2, $3, $4, $5) returning id`;

/** The step "UPDATE inventory" of the tutorial's diagram. */
const updateStock = "update products set on_hand = on_hand - $2 where id = $1";

/** The tutorial's CreateWithItems: a statement for the order, one for each item, one for its stock. */
export function createWithItems(
  pool: pg.Pool,
  order: { readonly userId: string; readonly currencyCode: string; readonly total: string },
  items: readonly ItemRow[],
): Promise<OrderRow & { readonly itemIds: readonly string[] }> {
  return executeInTransaction(pool, async (tx) => {
    const values = [order.userId, "pending", order.currencyCode, order.total, items.length];
    const { rows } = await tx.query<OrderRow>({ name: "insert_order", text: insertOrder, values });
    const created = rows[0]!;
    const itemIds: string[] = [];
    for (const [position, { productId, quantity, unitPrice }] of items.entries()) {
      const item = [created.id, position, productId, quantity, unitPrice];
      const inserted = await tx.query<{ id: string }>({
        name: "insert_item",
        text: insertItem,
        values: item,
      });
      itemIds.push(inserted.rows[0]!.id);
    }
    for (const { productId, quantity } of items)
      await tx.query({ name: "update_stock", text: updateStock, values: [productId, quantity] });
    return { ...created, itemIds };
  });
}

const selectStatus = "select status from orders where id = $1 for update";
const updateOrder = "update orders set status = $2, update_time = now() where id = $1";

/** The tutorial's UpdateStatus. */
export function updateStatus(pool: pg.Pool, orderId: string, status: StatusName): Promise<void> {
  return executeInTransaction(pool, async (tx) => {
    const locked = { name: "select_status", text: selectStatus, values: [orderId] };
    const { rows } = await tx.query<{ status: StatusName }>(locked);
    if (rows[0] === undefined) throw new DomainError("ORDER_NOT_FOUND", "there is no such order");
    if (!targetsOf(rows[0].status).includes(status))
      throw new DomainError("FORBIDDEN_STATUS_CHANGE", "invalid status transition");
    await tx.query({ name: "update_order", text: updateOrder, values: [orderId, status] });
  });
}

const selectOrders = `select ${orderColumns} from orders order by create_time desc limit $1 offset $2`;

/** The tutorial's List, of orders. */
export async function listOrders(pool: pg.Pool, limit: number, offset: number): Promise<OrderRow[]> {
  const query = { name: "list_orders", text: selectOrders, values: [limit, offset] };
  return (await pool.query<OrderRow>(query)).rows;
}
