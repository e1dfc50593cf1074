import { statement } from "../engine/statement.ts";
import { markExpiry, sentMarks } from "../refusals.ts";

/** Where a mark is met: as the first event of an order, or also as the event of a key. */
const refuse = (name: string, idempotencyKey: string) =>
  statement<{ readonly id: string }>(
    name,
    `insert into order_events (order_id, version, status, idempotency_key, refusal, expire_time)
  select id, 1, 'refused', ${idempotencyKey}, refusal::jsonb, ${markExpiry} from ${sentMarks.from("m")}
  order by id on conflict do nothing
  returning order_id as id`,
  );

/** Keeps refusals to place orders: what an order writes first is its event of version 1. */
export const refuseOrders = refuse("orders.refuse", "null::uuid");

/** Keeps refusals to change statuses: what a change writes is an event with its key, which no order has. */
export const refuseChanges = refuse("orders.refuse_changes", "id");
