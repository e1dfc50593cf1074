import { randomUUID } from "node:crypto";
import { within, type Database } from "../../src/db/engine/database.ts";
import { createProducts, getProducts, type Product } from "../../src/db/products/products.ts";
import type { ItemDraft } from "../../src/db/orders/import-items.ts";
import type { Order } from "../../src/db/orders/orders.ts";
import { expectOne } from "../../src/db/outcome.ts";
import type { OrderDraft } from "../../src/db/orders/order-drafts.ts";
import { createOrders } from "../../src/db/orders/place-orders.ts";
import { createUsers, type User, type UserDraft } from "../../src/db/users/users.ts";
import { deadline } from "./pools.ts";

/** A call's id and what it asks for, as no other call has them. */
export const call = () => ({ id: randomUUID(), fingerprint: randomUUID(), refusalMs: 0 });

export const userDraft = (change: Partial<UserDraft> = {}): UserDraft => ({
  ...call(),
  changeId: randomUUID(),
  email: `${randomUUID()}@example.com`,
  name: "Ada",
  passwordHash: "a hash",
  ...change,
});

/** An order of some pieces of a product, at one euro a piece. */
export function orderDraft(
  userId: string,
  productId: string,
  quantity = 1,
  change: Partial<OrderDraft> = {},
): OrderDraft {
  const items = [{ id: randomUUID(), productId, quantity, unitPrice: 10_000n }];
  const total = BigInt(quantity) * 10_000n;
  return { ...call(), userId, currencyCode: "EUR", total, reservesStock: true, items, ...change };
}

/** Some pieces of a product for an order, at one euro a piece. */
export const itemDraft = (
  orderId: string,
  productId: string,
  change: Partial<ItemDraft> = {},
): ItemDraft => ({
  id: randomUUID(),
  orderId,
  productId,
  quantity: 1,
  unitPrice: 10_000n,
  currencyCode: "EUR",
  ...change,
});

/** A confirmation of an order, under a key that no other call has. */
export const statusChange = (
  change: { readonly orderId?: string; readonly idempotencyKey?: string } = {},
) => ({
  orderId: randomUUID(),
  status: "confirmed" as const,
  version: undefined,
  idempotencyKey: randomUUID(),
  fingerprint: randomUUID(),
  refusalMs: 0,
  ...change,
});

/** Rows that are made by the statements themselves, below the services. */
export function createRows(db: Database) {
  return {
    user: async (): Promise<User> => expectOne(await createUsers(within(db, deadline()), [userDraft()])),
    product: async (onHand = 10n): Promise<Product> =>
      expectOne(await createProducts(within(db, deadline()), [{ ...call(), name: "Lamp", onHand }])),
    order: async (draft: OrderDraft): Promise<Order> =>
      expectOne(await createOrders(within(db, deadline()), [draft])),
    /** The product as it is now. */
    async read({ id }: Product): Promise<Product> {
      const [{ fingerprint: _, ...product }] = (await getProducts(within(db, deadline()), [id])) as [
        Product & { readonly fingerprint: string },
      ];
      return product;
    },
  };
}

/** What became of each request of a set: "ok", or the reason of its refusal. */
export function reasons(outcomes: readonly unknown[]): string[] {
  return outcomes.map((outcome) =>
    outcome instanceof Error ? (outcome as { reason?: string }).reason! : "ok",
  );
}
