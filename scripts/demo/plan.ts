import { OrderStatus } from "../../client/src/index.ts";

/** The size of the demonstration; `seed` decides only what is bought. */
export type Size = {
  readonly orders: number;
  readonly users: number;
  readonly products: number;
  readonly seed: number;
};

/** A product: its initial stock, and the price of one piece in nanos of the currency. */
export type PlannedProduct = { readonly name: string; readonly onHand: bigint; readonly priceNanos: bigint };

/** An order: its user and products by index, and its later statuses. */
export type PlannedOrder = {
  readonly user: number;
  readonly lines: readonly { readonly product: number; readonly quantity: number }[];
  readonly steps: readonly OrderStatus[];
};

const { CONFIRMED, SHIPPED, DELIVERED, CANCELLED } = OrderStatus;

// One of ten, at random: most orders are shipped or delivered, and some are cancelled in each status that
// allows it.
const lives: readonly (readonly OrderStatus[])[] = [
  [],
  [],
  [CANCELLED],
  [CONFIRMED],
  [CONFIRMED, CANCELLED],
  [CONFIRMED, SHIPPED],
  [CONFIRMED, SHIPPED],
  [CONFIRMED, SHIPPED, DELIVERED],
  [CONFIRMED, SHIPPED, DELIVERED],
  [CONFIRMED, SHIPPED, DELIVERED],
];

const linesMax = 5;
const quantityMax = 3;
// Every 25th product is scarce: not the most popular ones, or most orders would be refused, and not so rare
// that none would be.
const scarceEvery = 25;

/** The products and the orders for them. */
export type Plan = { readonly products: PlannedProduct[]; readonly orders: PlannedOrder[] };

/** Plans products and orders. The same size gives the same plan. */
export function planDemo(size: Size): Plan {
  const random = createRandom(size.seed);
  const below = (end: number) => Math.floor(random() * end);
  const plenty = BigInt(size.orders * linesMax * quantityMax);
  const scarce = BigInt(Math.ceil(size.orders / 100));
  const products = Array.from({ length: size.products }, (_, n) => ({
    name: `Product ${n + 1}`,
    onHand: (n + 1) % scarceEvery === 0 ? scarce : plenty,
    // From 0.0001 to 100.0000, so that sums need all four decimals.
    priceNanos: BigInt(1 + below(1_000_000)) * 100_000n,
  }));
  const chooseProduct = createZipf(size.products, random);
  const orders = Array.from({ length: size.orders }, () => ({
    user: below(size.users),
    lines: Array.from({ length: 1 + below(linesMax) }, () => ({
      product: chooseProduct(),
      quantity: 1 + below(quantityMax),
    })),
    steps: lives[below(lives.length)] ?? [],
  }));
  return { products, orders };
}

const bargainNanos = 9_990_000_000n;

/**
 * Plans a flash sale: there are `size.orders` pieces, and for each of them two orders, in any order. The same
 * size gives the same plan.
 */
export function planFlashSale(size: Size): Plan {
  const random = createRandom(size.seed);
  const products = Array.from({ length: size.products }, (_, n) => ({
    name: `Bargain ${n + 1}`,
    // Pieces are dealt to the products in turn.
    onHand: BigInt(Math.ceil((size.orders - n) / size.products)),
    priceNanos: bargainNanos,
  }));
  const orders = Array.from({ length: 2 * size.orders }, (_, n) => ({
    user: Math.floor(random() * size.users),
    lines: [{ product: (n % size.orders) % size.products, quantity: 1 }],
    steps: [],
    turn: random(),
  }));
  return { products, orders: orders.toSorted((a, b) => a.turn - b.turn) };
}

/**
 * Chooses from 0 to count - 1, the n-th with a probability proportional to 1/n (Zipf's law), like customers
 * do.
 */
function createZipf(count: number, random: () => number): () => number {
  let sum = 0;
  const sums = Array.from({ length: count }, (_, n) => (sum += 1 / (n + 1)));
  return () => {
    const point = random() * sum;
    return sums.findIndex((upTo) => point < upTo);
  };
}

/** Mulberry32: numbers from 0 to below 1, the same for the same seed; Math.random takes no seed. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
