import pLimit from "p-limit";
import { type CommerceClient, createCommerceClient, type Product } from "../../client/src/grpc.ts";
import { type Check, checkNothingLeft, checkOrders, checkSold, readOrders, readProducts } from "./audit.ts";
import { type Plan, type PlannedOrder, planFlashSale, type Size } from "./plan.ts";
import { createEach, createProducts, createUsers, placeOrder } from "./shop.ts";
import { heading, showRow, startTally, type Tally } from "./tally.ts";

/** Half of the calls that the server accepts at a time on a connection: more would wait at the client. */
const callersPerConnection = 128;
/** Calls in flight before and after the sale. */
const calmConcurrency = 32;

/** The products on sale, and the clients that buy them. */
type Sale = Plan & {
  /** One per connection. */
  readonly shops: readonly CommerceClient[];
  readonly userIds: readonly string[];
};

/**
 * Sells out a few products to ever larger crowds. Each crowd has its own products and wants twice the stock.
 * Shows the progress, and checks the result by reading it back.
 */
export async function runFlashSale(
  url: string,
  size: Size,
  callersMax: number,
  output: NodeJS.WriteStream,
): Promise<Check[]> {
  using connections = new DisposableStack();
  const count = Math.ceil(callersMax / callersPerConnection);
  const shops = Array.from({ length: count }, () => connections.use(createCommerceClient({ baseUrl: url })));
  const shop = shops[0]!;
  const each = createEach(pLimit(calmConcurrency), output);
  const crowds = toCrowds(callersMax);
  const plan = planFlashSale(size);
  const { orders: pieces, products } = size;
  output.write(`${url}: ${crowds.length} crowds, each of which wants ${plan.orders.length} pieces `);
  output.write(`and finds ${pieces} of ${products} products\n\n`);

  const userIds = await createUsers(shop, each, size.users);
  const offered = crowds.flatMap(() => plan.products);
  const initial = await createProducts(shop, each, offered);
  output.write(`\n${heading}\n`);
  const tallies: Tally[] = [];
  for (const [n, callers] of crowds.entries()) {
    const own = initial.slice(n * products, (n + 1) * products);
    tallies.push(await sell({ ...plan, shops, userIds }, own, callers, output));
  }
  output.write("\n");

  const orders = await readOrders(shop, each, userIds);
  const ids = initial.map(({ id }) => id);
  const now = await readProducts(shop, ids);
  output.write("\n");
  const accepted = tallies.flatMap((tally) => tally.accepted);
  const failures = tallies.flatMap((tally) => tally.failures);
  return [
    checkSold(initial, orders),
    checkNothingLeft(initial, now),
    checkOrders(accepted, orders),
    { promise: "no call has failed", violations: failures },
  ];
}

/** The callers of each crowd: the largest, and up to three before it, each half the size of the next. */
function toCrowds(callersMax: number): number[] {
  return [...new Set([8, 4, 2, 1].map((part) => Math.ceil(callersMax / part)))];
}

/** Makes callers place the orders of a sale, each one order after the other. */
async function sell(
  { shops, userIds, products: planned, orders }: Sale,
  products: readonly Product[],
  callers: number,
  output: NodeJS.WriteStream,
): Promise<Tally> {
  const pieces = products.reduce((sum, { onHand }) => sum + Number(onHand), 0);
  const tally = startTally(callers, pieces, orders.length);
  const buy = async (shop: CommerceClient, wanted: PlannedOrder): Promise<void> => {
    const startMs = performance.now();
    try {
      const order = await placeOrder(shop, wanted, userIds, products, planned);
      if (order === undefined) tally.refused += 1;
      else tally.accepted.push(order);
    } catch (error) {
      tally.failures.push(String(error));
    }
    tally.durations.push(performance.now() - startMs);
  };
  // All callers take from the same orders.
  const open = orders.values();
  const call = async (shop: CommerceClient): Promise<void> => {
    for (const wanted of open) await buy(shop, wanted);
  };
  using _ = showRow(tally, output);
  await Promise.all(Array.from({ length: callers }, (_caller, n) => call(shops[n % shops.length]!)));
  return tally;
}
