import {
  type CommerceClient,
  type Order,
  OrderStatus,
  OrderView,
  type Product,
} from "../../client/src/index.ts";
import { formatNanos, toNanos } from "./money.ts";
import type { Each } from "./shop.ts";

/** A promise of the service and its violations. */
export type Check = { readonly promise: string; readonly violations: readonly string[] };

const ordersPageSize = 200;
const productsPageSize = 1000;

/** Reads all orders of some users, with their items. */
export async function readOrders(
  shop: CommerceClient,
  each: Each,
  userIds: readonly string[],
): Promise<Order[]> {
  const lists = await each("reading the orders of users", userIds, async (userId) => {
    const orders: Order[] = [];
    const request = { userId, pageSize: ordersPageSize, view: OrderView.FULL };
    for await (const order of shop.orders.list(request)) orders.push(order);
    return orders;
  });
  return lists.flat();
}

/** Reads products until all have been found: a shared server may have very many. */
export async function readProducts(
  shop: CommerceClient,
  ids: readonly string[],
): Promise<Map<string, Product>> {
  const missing = new Set(ids);
  const products = new Map<string, Product>();
  for await (const product of shop.inventory.list({ pageSize: productsPageSize })) {
    if (missing.delete(product.id)) products.set(product.id, product);
    if (missing.size === 0) break;
  }
  return products;
}

/** Checks that the orders read back are the acknowledged ones, each once and in its last status. */
export function checkOrders(acknowledged: readonly Order[], listed: readonly Order[]): Check {
  const last = new Map(acknowledged.map((order) => [order.id, order]));
  const seen = new Set<string>();
  const violations: string[] = [];
  for (const { id, status } of listed) {
    const expected = last.get(id);
    if (expected === undefined) violations.push(`order ${id} is listed and was never acknowledged`);
    else if (seen.has(id)) violations.push(`order ${id} is listed twice`);
    else if (expected.status !== status) {
      violations.push(`order ${id} was left ${nameOf(expected.status)} and is ${nameOf(status)}`);
    }
    seen.add(id);
  }
  const lost = acknowledged.filter(({ id }) => !seen.has(id)).map(({ id }) => `order ${id} is lost`);
  return {
    promise: `all ${last.size} orders are there, each once, as they were left`,
    violations: [...violations, ...lost],
  };
}

/** Checks that each order's total is the sum of its items. */
export function checkTotals(orders: readonly Order[]): Check {
  const violations = orders.flatMap(({ id, total, items, itemCount }) => {
    const sum = items.reduce((nanos, item) => nanos + BigInt(item.quantity) * toNanos(item.unitPrice), 0n);
    if (sum === toNanos(total) && items.length === itemCount) return [];
    return [
      `order ${id} says ${formatNanos(toNanos(total))}, its ${itemCount} items say ${formatNanos(sum)}`,
    ];
  });
  return { promise: "every total is the sum of its items", violations };
}

/** Checks that each product's initial stock is its current stock plus what live orders have taken. */
export function checkStock(
  initial: readonly Product[],
  now: ReadonlyMap<string, Product>,
  orders: readonly Order[],
): Check {
  const reserved = new Map<string, bigint>();
  for (const order of orders.filter(({ status }) => status !== OrderStatus.CANCELLED)) {
    for (const { productId, quantity } of order.items) {
      reserved.set(productId, (reserved.get(productId) ?? 0n) + BigInt(quantity));
    }
  }
  const violations = initial.flatMap(({ id, onHand: before }) => {
    const onHand = now.get(id)?.onHand;
    const taken = reserved.get(id) ?? 0n;
    if (onHand !== undefined && onHand >= 0n && onHand + taken === before) return [];
    return [`product ${id} had ${before} and has ${onHand ?? "no"} on hand and ${taken} in live orders`];
  });
  return { promise: `all ${initial.length} products: initial = on hand + in live orders`, violations };
}

/** Checks that orders have taken exactly the initial stock. */
export function checkSold(initial: readonly Product[], orders: readonly Order[]): Check {
  const sold = new Map(initial.map(({ id }) => [id, 0n]));
  for (const { productId, quantity } of orders.flatMap(({ items }) => items))
    sold.set(productId, (sold.get(productId) ?? 0n) + BigInt(quantity));
  const violations = initial
    .filter(({ id, onHand }) => sold.get(id) !== onHand)
    .map(({ id, onHand }) => `product ${id} had ${onHand} pieces, and ${sold.get(id)} are sold`);
  const pieces = initial.reduce((sum, { onHand }) => sum + onHand, 0n);
  return { promise: `exactly the ${pieces} pieces that there were are sold`, violations };
}

/** Checks that no stock is left of any product. */
export function checkNothingLeft(initial: readonly Product[], now: ReadonlyMap<string, Product>): Check {
  const violations = initial
    .map(({ id }) => ({ id, onHand: now.get(id)?.onHand }))
    .filter(({ onHand }) => onHand !== 0n)
    .map(({ id, onHand }) => `product ${id} has ${onHand ?? "no"} on hand`);
  return { promise: `all ${initial.length} products have 0 on hand`, violations };
}

/** The name of a status. */
export function nameOf(status: OrderStatus): string {
  return Object.entries(OrderStatus).find(([, number]) => number === status)?.[0] ?? String(status);
}
