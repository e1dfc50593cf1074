import type { Mutation } from "../mutation.ts";

const users = "migrations/0001_users.sql";
const products = "migrations/0002_products.sql";
const orders = "migrations/0003_orders.sql";
const schema = ["test/service/schema.test.ts"];

/** Mistakes in the schema. */
export const schemaMutations: readonly Mutation[] = [
  {
    file: users,
    what: "two users may have one email",
    from: "constraint users_pkey primary key (id),\n  constraint users_email_key unique (email)",
    to: "constraint users_pkey primary key (id)",
    tests: schema,
  },
  {
    file: products,
    what: "there may be less than nothing in stock",
    from: "constraint products_on_hand_check check (on_hand >= 0)",
    to: "constraint products_on_hand_check check (on_hand >= -1)",
    tests: schema,
  },
  {
    file: products,
    what: "a movement may be of no product",
    from: "constraint stock_movements_pkey primary key (id),\n",
    to: "constraint stock_movements_pkey primary key (id)\n-- ",
    tests: schema,
  },
  {
    file: orders,
    what: "an item may be of no piece",
    from: "check (quantity > 0)",
    to: "check (quantity >= 0)",
    tests: schema,
  },
  {
    file: orders,
    what: "an item may cost less than nothing",
    from: "check (unit_price >= 0)",
    to: "check (unit_price >= -1)",
    tests: schema,
  },
  {
    file: orders,
    what: "an order may cost less than nothing",
    from: "check (total >= 0)",
    to: "check (total >= -1)",
    tests: schema,
  },
  {
    file: orders,
    what: "an order may be in any state",
    from: "'delivered', 'cancelled'))",
    to: "'delivered', 'cancelled', 'lost'))",
    tests: schema,
  },
  {
    file: orders,
    what: "a status change may happen twice under one key",
    from: "create unique index if not exists order_events_idempotency_key_key",
    to: "create index if not exists order_events_idempotency_key_key",
    tests: schema,
  },
  {
    file: orders,
    what: "items outlive their order",
    from: "order_items_order_id_fkey foreign key (order_id) references orders (id) on delete cascade",
    to: "order_items_order_id_fkey check (order_id is not null)",
    tests: schema,
  },
  {
    file: orders,
    what: "users with orders cannot be deleted",
    from: "references users (id) on delete cascade",
    to: "references users (id)",
    tests: schema,
  },
  {
    file: "migrations/0004_lists.postgres.sql",
    what: "pages of the orders in a status are sorted",
    from: "on orders (status, create_time desc, id desc)",
    to: "on orders (status)",
    tests: ["test/service/plans.test.ts"],
  },
  {
    file: "migrations/0005_secrets.sql",
    what: "replicas may have keys of one name",
    from: "primary key (name)",
    to: "primary key (name, value)",
    tests: ["test/service/secrets.test.ts"],
  },
  {
    file: "migrations/0006_login_attempts.postgres.sql",
    what: "the sweep reads all attempts",
    from: "create index if not exists login_attempts_expire_time_idx on login_attempts (expire_time)",
    to: "select 1",
    tests: ["test/service/plans.test.ts"],
  },
  {
    file: "migrations/0007_stock_movements_index.sql",
    what: "each adjustment pays for an index that no statement reads",
    from: "drop index if exists stock_movements_product_id_idx;",
    to: "select 1;",
    tests: ["test/service/plans.test.ts"],
  },
];
