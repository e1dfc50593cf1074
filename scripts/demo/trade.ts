import { createCommerceClient, type CommerceClient, type Order } from "../../client/src/grpc.ts";
import {
  type Check,
  checkOrders,
  checkStock,
  checkTotals,
  nameOf,
  readOrders,
  readProducts,
} from "./audit.ts";
import { createMeter } from "./meter.ts";
import { formatNanos, toNanos } from "./money.ts";
import { planDemo, type Size } from "./plan.ts";
import { createProducts, createUsers, type Each, moveOrder, placeOrder } from "./shop.ts";

/** Places orders, moves them through their statuses, prints the results and checks them. */
export async function runTrade(url: string, size: Size, each: Each): Promise<Check[]> {
  const meter = createMeter();
  console.log(`${url}: ${size.orders} orders of ${size.products} products by ${size.users} users\n`);
  using shop = createCommerceClient({ baseUrl: url, onAttempt: meter.onAttempt });
  const { checks, orders, refused } = await trade(shop, size, each);
  console.log(`\n${[...toSummary(orders, refused), "", ...meter.lines()].join("\n")}\n`);
  return checks;
}

type Outcome = { readonly checks: Check[]; readonly orders: Order[]; readonly refused: number };

async function trade(shop: CommerceClient, size: Size, each: Each): Promise<Outcome> {
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
