import type pg from "pg";
import { allStatuses, statusesThat } from "../src/db/order-status.ts";

/**
 * Fills a migrated PostgreSQL database with users, products and orders of three items each, and refreshes the
 * planner's statistics: plans for empty tables say nothing about plans for full ones.
 */
export async function loadTables(client: pg.ClientBase, orders: number): Promise<void> {
  const users = Math.max(1, Math.floor(orders / 10));
  const products = Math.max(1, Math.floor(orders / 20));
  const statuses = statusesThat(() => true);
  const statements = [
    `insert into users (id, email, name, password_hash, fingerprint, create_time)
     select gen_random_uuid(), 'load' || n || '@example.com', 'Load ' || n, 'none', gen_random_uuid(),
       now() - n * interval '1 second'
     from generate_series(1, ${users}) n`,
    `insert into products (id, name, on_hand, fingerprint, create_time)
     select gen_random_uuid(), 'Load ' || n, 1000000, gen_random_uuid(), now() - n * interval '1 second'
     from generate_series(1, ${products}) n`,
    `insert into orders (
       id, user_id, status, currency_code, total, item_count, reserves_stock, fingerprint, create_time
     )
     select gen_random_uuid(), u.id,
       (array[${statuses}])[1 + n % ${allStatuses.length}],
       'EUR', 29.97, 3, true, gen_random_uuid(), now() - n * interval '1 second'
     from generate_series(1, ${orders}) n
     join (select id, row_number() over () as k from users) u on u.k = 1 + n % ${users}`,
    `insert into order_items (order_id, id, position, product_id, quantity, unit_price)
     select o.id, gen_random_uuid(), i, p.id, 1, 9.99
     from (select id, row_number() over () as n from orders) o cross join generate_series(0, 2) i
     join (select id, row_number() over () as k from products) p on p.k = 1 + (o.n * 7 + i) % ${products}`,
    `insert into order_events (order_id, version, status, idempotency_key, fingerprint)
     select id, 1, 'pending', gen_random_uuid(), gen_random_uuid() from orders`,
    `insert into stock_movements (id, product_id, delta, fingerprint)
     select gen_random_uuid(), id, 1000000, gen_random_uuid() from products`,
    `insert into user_changes (id, user_id, fingerprint)
     select gen_random_uuid(), id, fingerprint from users`,
    `insert into login_attempts (id, failures, retry_time, expire_time)
     select gen_random_uuid(), 1, now(), now() + n * interval '1 second' from generate_series(1, ${users}) n`,
    `insert into imports (id, attempt_id, expire_time)
     select gen_random_uuid(), gen_random_uuid(), now() + n * interval '1 second'
     from generate_series(1, ${users}) n`,
    "analyze",
  ];
  for (const statement of statements) await client.query(statement);
}
