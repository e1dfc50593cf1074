import type { OrderItem } from "./orders.ts";
import type { Refusable } from "../refusals.ts";
import { rowSet } from "../engine/row-set.ts";
import { toDecimal, type E4 } from "../engine/pg-types.ts";
import { nth } from "../../lists.ts";

/** An order to be placed. Its id is derived from the call, and so are those of repeated calls. */
export type OrderDraft = Refusable & {
  readonly id: string;
  readonly userId: string;
  readonly currencyCode: string;
  readonly total: E4;
  readonly reservesStock: boolean;
  readonly items: readonly OrderItem[];
};

/** The products that an order takes from the stock: what the database locks for it. */
export function locksOf({ reservesStock, items }: Pick<OrderDraft, "reservesStock" | "items">): string[] {
  return reservesStock ? items.map(({ productId }) => productId) : [];
}

/** A row that belongs to the draft of this number. */
type Numbered = { readonly n: number };

type OrderRow = Numbered &
  Omit<OrderDraft, "items" | "total" | "refusalMs"> & { readonly total: string; readonly itemCount: number };

/** $1 to $3 are the products to lock, the other products, and the users. */
export const sentOrders = rowSet<OrderRow>(
  {
    n: "n int4",
    id: "id uuid",
    userId: "user_id uuid",
    currencyCode: "currency_code text",
    total: "total decimal",
    itemCount: "item_count int4",
    reservesStock: "reserves_stock bool",
    fingerprint: "fingerprint uuid",
  },
  4,
);

type LineRow = Numbered &
  Omit<OrderItem, "unitPrice"> & { readonly position: number; readonly unitPrice: string };

export const sentLines = rowSet<LineRow>(
  {
    n: "n int4",
    id: "id uuid",
    position: "position int4",
    productId: "product_id uuid",
    quantity: "quantity int4",
    unitPrice: "unit_price decimal",
  },
  sentOrders.next,
);

/** What an order asks for of a product, in all its lines. */
type Demand = { readonly productId: string; readonly quantity: number; readonly reserved: boolean };

export const sentDemands = rowSet<Numbered & Demand>(
  { n: "n int4", productId: "product_id uuid", quantity: "quantity int8", reserved: "reserved bool" },
  sentLines.next,
);

/** What `orders.create` is sent for the drafts of a round, given by their numbers. */
export function toParameters(drafts: readonly OrderDraft[], round: readonly number[]): unknown[] {
  const orders = round.map((n) => {
    const draft = nth(drafts, n);
    return { ...draft, n, total: toDecimal(draft.total), itemCount: draft.items.length };
  });
  const lines = orders.flatMap(({ n, items }) =>
    items.map((item, position) => ({ ...item, n, position, unitPrice: toDecimal(item.unitPrice) })),
  );
  const demands = round.flatMap((n) => demandsOf(nth(drafts, n)).map((demand) => ({ n, ...demand })));
  const products = (reserved: boolean): string[] => [
    ...new Set(demands.filter((d) => d.reserved === reserved).map((d) => d.productId)),
  ];
  return [
    products(true),
    products(false),
    [...new Set(orders.map((o) => o.userId))],
    ...sentOrders.values(orders),
    ...sentLines.values(lines),
    ...sentDemands.values(demands),
  ];
}

/** What an order asks for, by products, in the order in which they are first named. */
export function demandsOf({ items, reservesStock }: OrderDraft): Demand[] {
  const quantities = new Map<string, number>();
  for (const { productId, quantity } of items)
    quantities.set(productId, (quantities.get(productId) ?? 0) + quantity);
  return [...quantities].map(([productId, quantity]) => ({ productId, quantity, reserved: reservesStock }));
}
