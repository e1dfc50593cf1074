// The tutorial's statement sequences, served through the service's own listener and pipeline.
import pg from "pg";
import { bindPart, readConfig, serve } from "./contestant.ts";
import {
  type CreateOrderRequest,
  type GetUserRequest,
  type ListOrdersRequest,
  OrderService,
  OrderStatus,
  type UpdateOrderStatusRequest,
  UserService,
} from "./service/contract.ts";
import { allStatuses, DomainError, type StatusName, toClientConfig, toDecimal } from "./service/database.ts";
import { parseMoney, toMoney, toTime } from "./service/server.ts";
import { types } from "./text-types.ts";
import * as tutorial from "./tutorial.ts";

const config = readConfig();
const pool = new pg.Pool({
  ...toClientConfig(config.database.connection),
  options: "-c default_transaction_isolation=serializable",
  types,
  max: config.pool.connsMax,
  min: config.pool.connsMin,
});
pool.on("error", () => {});

const toStatus = (name: StatusName): OrderStatus => OrderStatus[name.toUpperCase() as Uppercase<StatusName>];
const names = new Map(allStatuses.map((name) => [toStatus(name), name]));

const toOrder = (row: tutorial.OrderRow) => ({
  id: row.id,
  userId: row.user_id,
  status: toStatus(row.status),
  total: toMoney("EUR", row.total_amount),
  createTime: toTime(row.created_at),
  updateTime: toTime(row.updated_at),
});

const users = {
  async getUser({ id }: GetUserRequest) {
    const user = await tutorial.getUser(pool, id);
    if (!user) throw new DomainError("USER_NOT_FOUND", "there is no such user");
    const { created_at: createTime, updated_at: updateTime, email, name } = user;
    return { user: { id, email, name, createTime: toTime(createTime), updateTime: toTime(updateTime) } };
  },
};

const orders = {
  async createOrder({ userId, items }: CreateOrderRequest) {
    const prices = items.map(({ unitPrice }) => parseMoney("unit_price", unitPrice!));
    const total = items.reduce((sum, { quantity }, n) => sum + BigInt(quantity) * prices[n]!.amount, 0n);
    const { currencyCode } = prices[0]!;
    const rows = items.map(({ productId, quantity }, n) => {
      return { productId, quantity, unitPrice: toDecimal(prices[n]!.amount) };
    });
    const order = { userId, currencyCode, total: toDecimal(total) };
    const created = await tutorial.createWithItems(pool, order, rows).catch(refuseShort);
    const withIds = items.map((item, n) => ({ ...item, id: created.itemIds[n]! }));
    return { order: { ...toOrder(created), items: withIds } };
  },

  async updateOrderStatus({ id, status }: UpdateOrderStatusRequest) {
    await tutorial.updateStatus(pool, id, names.get(status)!);
    return { order: { id, status } };
  },

  // Its page token is an offset.
  async listOrders({ pageSize, pageToken }: ListOrdersRequest) {
    return { orders: (await tutorial.listOrders(pool, pageSize, Number(pageToken))).map(toOrder) };
  },
};

/** The table's own check says that there is too little stock. */
function refuseShort(error: unknown): never {
  if ((error as { code?: string }).code === "23514")
    throw new DomainError("INSUFFICIENT_STOCK", "there is too little stock");
  throw error;
}

await serve(config, [bindPart(UserService, users), bindPart(OrderService, orders)]);
