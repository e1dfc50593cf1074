import { randomUUID } from "node:crypto";
import type { Draft, Import, ItemDraft, Line } from "./history.ts";
import type { Random } from "./random.ts";

/** What rows are made of; it grows while traffic goes on. */
export type Shop = {
  readonly users: readonly string[];
  readonly orders: () => readonly string[];
  readonly lines: (chance: Random) => Line[];
};

/** Of most imports, which are a chunk as a request and several as the messages of a stream. */
const few = { min: 3, max: 40 };
/** A request is read by 128 rows at a time, so that this one is answered in two chunks. */
const many = { min: 130, max: 150 };
/** Who adds items adds several to an order. */
const ordersMax = 6;

/** IngestOrders makes more chunks, and so more places to resume at. */
const placing = ["ImportOrders", "IngestOrders", "IngestOrders"] as const;

/** Makes an import of orders, or of items if there are orders to add them to. */
export function makeImport(chance: Random, shop: Shop): Import {
  const { min, max } = chance.chance(0.08) ? many : few;
  const count = chance.between(min, max);
  const rows = <Row>(make: () => Row): Row[] => Array.from({ length: count }, make);
  const head = { requestId: randomUUID(), firstIndex: 0, stopOnError: chance.chance(0.1) };
  const orders = shop.orders().slice(-2 * ordersMax);
  if (orders.length > 0 && chance.chance(0.45)) {
    const some = Array.from({ length: chance.between(1, ordersMax) }, () => chance.pick(orders));
    return { ...head, method: "ImportOrderItems", rows: rows(() => toItem(chance, shop, some)) };
  }
  return { ...head, method: "ImportOrders", rows: rows(() => toOrder(chance, shop)) };
}

/** An import of items. */
export function importOf(rows: readonly ItemDraft[]): Import {
  return { requestId: randomUUID(), firstIndex: 0, stopOnError: false, method: "ImportOrderItems", rows };
}

/** A used request id with other orders. */
export function reuseImport(chance: Random, { requestId }: Import, shop: Shop): Import {
  const none = { ...shop, orders: () => [] };
  return { ...makeImport(chance, none), requestId };
}

/**
 * Asks for an import of which the rows before `next` have been answered: for all of it, or for the others.
 * Orders are imported, and taken up again, by either method.
 */
export function resumeImport(chance: Random, request: Import, next: number): Import {
  const firstIndex = chance.chance(0.5) ? next : request.firstIndex;
  const from = firstIndex - request.firstIndex;
  if (request.method === "ImportOrderItems")
    return { ...request, firstIndex, rows: request.rows.slice(from) };
  return { ...request, method: chance.pick(placing), firstIndex, rows: request.rows.slice(from) };
}

function toOrder(chance: Random, { users, lines }: Shop): Draft {
  const userId = chance.chance(0.02) ? randomUUID() : chance.pick(users);
  return { userId, lines: lines(chance).map((line) => spoil(chance, line)), reserves: chance.chance(0.5) };
}

function toItem(chance: Random, { lines }: Shop, orders: readonly string[]): ItemDraft {
  const orderId = chance.chance(0.02) ? randomUUID() : chance.pick(orders);
  return { orderId, line: spoil(chance, lines(chance)[0]!) };
}

/** Some rows break a rule of the contract, and some ask for more than there ever is. */
function spoil(chance: Random, line: Line): Line {
  return chance.chance(0.03) ? { ...line, quantity: chance.pick([0, 100_000]) } : line;
}
