import type { Product } from "../../src/gen/commerce/inventory/v1/inventory_service_pb.ts";
import {
  OrderStatus,
  StockPolicy,
  type Order,
  type OrderItem,
} from "../../src/gen/commerce/order/v1/order_service_pb.ts";
import type { User } from "../../src/gen/commerce/user/v1/user_service_pb.ts";
import type { Money } from "../../src/gen/google/type/money_pb.ts";
import type { Line, Seen, SeenOrder, Status } from "./history.ts";

/** What a part of an answer showed; the token is that of the next page. */
export type Part = Partial<Seen> & { readonly nextPageToken?: string };

export const statuses: Readonly<Record<Status, OrderStatus>> = {
  pending: OrderStatus.PENDING,
  confirmed: OrderStatus.CONFIRMED,
  shipped: OrderStatus.SHIPPED,
  delivered: OrderStatus.DELIVERED,
  cancelled: OrderStatus.CANCELLED,
};

export const statusNames = new Map(
  Object.entries(statuses).map(([name, status]) => [status, name as Status]),
);

export function showUser({ id, email, name, etag }: User): Part {
  return { users: [{ id, email, name, version: toVersion(etag) }] };
}

export function showProduct({ id, name, onHand, etag }: Product): Part {
  return { products: [{ id, name, onHand: Number(onHand), version: toVersion(etag) }] };
}

export function showOrders(orders: readonly Order[], withItems: boolean): Part {
  return { orders: orders.map((order) => toSeen(order, withItems)) };
}

function toSeen(order: Order, withItems: boolean): SeenOrder {
  const { seconds, nanos } = order.createTime!;
  return {
    id: order.id,
    userId: order.userId,
    status: statusNames.get(order.status)!,
    version: toVersion(order.etag),
    total: toE4(order.total!),
    itemCount: order.itemCount,
    reserves: order.stockPolicy === StockPolicy.RESERVE,
    createTime: Number(seconds) * 1_000_000 + nanos / 1_000,
    ...(withItems && { lines: order.items.map(toLine) }),
  };
}

function toLine({ productId, quantity, unitPrice }: OrderItem): Line {
  return { productId, quantity, unitPrice: toE4(unitPrice!) };
}

/** An etag is opaque to callers; the checker may know that it is the version, a JSON string of a number. */
function toVersion(etag: string): number {
  return Number(JSON.parse(etag));
}

function toE4({ units, nanos }: Money): number {
  return Number(units) * 10_000 + nanos / 100_000;
}

/** The items of a request. */
export function toItems(lines: readonly Line[]) {
  return lines.map((line) => ({ ...line, unitPrice: toMoney(line.unitPrice) }));
}

export function toPolicy(reserves: boolean): StockPolicy {
  return reserves ? StockPolicy.RESERVE : StockPolicy.NONE;
}

function toMoney(e4: number) {
  return { currencyCode: "EUR", units: BigInt(Math.floor(e4 / 10_000)), nanos: (e4 % 10_000) * 100_000 };
}
