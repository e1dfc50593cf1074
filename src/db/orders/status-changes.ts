import { type DomainError, notFound, orderType, requestIdReused } from "../../errors.ts";
import type { OrderStatus } from "../order-status.ts";
import { getOrders, type Order } from "./orders.ts";
import type { Outcome } from "../outcome.ts";
import { type Refusable, type StoredRefusal, toRefusal } from "../refusals.ts";
import { statement, type Run } from "../engine/statement.ts";
import { nth } from "../../lists.ts";

/** A step that an order is to take. Its idempotency key is derived from the call. */
export type StatusChange = Refusable & {
  readonly orderId: string;
  readonly status: OrderStatus;
  /** The version that the order must still have; undefined: any. */
  readonly version: bigint | undefined;
  readonly idempotencyKey: string;
};

/** What became of changes, by their numbers. */
export type Moved = {
  /** What was done now or before, or will never be. */
  readonly outcomes: Map<number, Outcome<Order>>;
  /** The refusals of attempts before. */
  readonly kept: Map<number, DomainError>;
  /** Why this attempt has done nothing. */
  readonly refusals: Map<number, DomainError>;
};

const selectEventsByKey = statement<{
  readonly idempotencyKey: string;
  readonly orderId: string;
  readonly fingerprint: string | null;
  readonly refusal: StoredRefusal | null;
}>(
  "orders.events_by_key",
  `select idempotency_key as "idempotencyKey", order_id as "orderId", fingerprint, refusal
  from order_events where idempotency_key = any($1::uuid[])`,
);

/**
 * A change whose key is known already has happened, or was refused, or its request id was used for something
 * else.
 */
export async function answerReplays(
  run: Run,
  changes: readonly StatusChange[],
  replayed: readonly number[],
  { outcomes, kept }: Moved,
): Promise<void> {
  const keys = replayed.map((n) => nth(changes, n).idempotencyKey);
  const events = new Map((await run(selectEventsByKey, [keys])).map((e) => [e.idempotencyKey, e]));
  const stored = await getOrders(
    run,
    [...events.values()].map((e) => e.orderId),
    false,
  );
  const orders = new Map(stored.map(({ fingerprint: _, ...order }) => [order.id, order]));
  for (const n of replayed) {
    const change = nth(changes, n);
    const event = events.get(change.idempotencyKey);
    // A mark that has expired, or an event that was deleted with its order: the next round decides anew.
    if (event === undefined) continue;
    if (event.refusal?.fingerprint === change.fingerprint) kept.set(n, toRefusal(event.refusal, change));
    else if (event.fingerprint !== change.fingerprint) outcomes.set(n, requestIdReused());
    // Deleted with its user, by a release that leaves events behind.
    else outcomes.set(n, orders.get(change.orderId) ?? notFound(orderType, change.orderId));
  }
}
