import { randomUUID } from "node:crypto";
import type { LimitFunction } from "p-limit";
import { type CommerceClient, CommerceError, type Order, type Product } from "../../client/src/index.ts";
import { toMoney } from "./money.ts";
import type { PlannedOrder, PlannedProduct } from "./plan.ts";

/**
 * Runs `work` for each item, some at a time, and shows the progress; results are in the order of the items.
 */
export type Each = <T, R>(title: string, items: readonly T[], work: (item: T) => Promise<R>) => Promise<R[]>;

/**
 * Creates an `Each` that works within a limit. On a terminal a line counts up; elsewhere a line reports each
 * end.
 */
export function createEach(limit: LimitFunction, output: NodeJS.WriteStream): Each {
  return async (title, items, work) => {
    let done = 0;
    const results = limit.map(items, async (item) => {
      const result = await work(item);
      done += 1;
      if (output.isTTY) output.write(`\r${title}: ${done} of ${items.length}`);
      return result;
    });
    // A failure ends the run: waiting items are not begun.
    await results.catch(() => limit.clearQueue());
    output.write(output.isTTY ? "\n" : `${title}: ${done} of ${items.length}\n`);
    return results;
  };
}

/** Creates users with emails that no other run uses, and returns their ids. */
export async function createUsers(shop: CommerceClient, each: Each, count: number): Promise<string[]> {
  const run = randomUUID();
  const numbers = Array.from({ length: count }, (_, n) => n + 1);
  return each("creating users", numbers, async (n) => {
    const { user } = await shop.users.createUser({
      email: `demo-${run}-${n}@example.com`,
      name: `Demo ${n}`,
      password: randomUUID(),
    });
    return expectGiven(user).id;
  });
}

/** Creates products and returns them in the order of the plan. */
export async function createProducts(
  shop: CommerceClient,
  each: Each,
  planned: readonly PlannedProduct[],
): Promise<Product[]> {
  return each("creating products", planned, async ({ name, onHand }) => {
    const { product } = await shop.inventory.createProduct({ name, onHand });
    return expectGiven(product);
  });
}

/** Places an order. Returns undefined if it is refused because there is too little stock. */
export async function placeOrder(
  shop: CommerceClient,
  order: PlannedOrder,
  userIds: readonly string[],
  products: readonly Product[],
  plannedProducts: readonly PlannedProduct[],
): Promise<Order | undefined> {
  const items = order.lines.map(({ product, quantity }) => ({
    productId: expectGiven(products[product]).id,
    quantity,
    unitPrice: toMoney(expectGiven(plannedProducts[product]).priceNanos),
  }));
  try {
    const userId = expectGiven(userIds[order.user]);
    return expectGiven((await shop.orders.createOrder({ userId, items })).order);
  } catch (error) {
    if (error instanceof CommerceError && error.reason === "INSUFFICIENT_STOCK") return undefined;
    throw error;
  }
}

/** Moves an order through its statuses, each step with the etag that the previous one returned. */
export async function moveOrder(
  shop: CommerceClient,
  order: Order,
  steps: PlannedOrder["steps"],
): Promise<Order> {
  let moved = order;
  for (const status of steps) {
    const { id, etag } = moved;
    const answer = await shop.orders.updateOrderStatus({ id, status, etag });
    moved = expectGiven(answer.order);
  }
  return moved;
}

/** Asserts that a part of an answer is present, as the contract promises. */
export function expectGiven<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("the service left out what its contract promises");
  return value;
}
