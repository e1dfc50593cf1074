import { createSecretKey } from "node:crypto";
import { expect, inject, test } from "vitest";
import { loadTables } from "../../scripts/load-tables.ts";
import { explain, problemsOf, type PlanFacts } from "../../scripts/plan.ts";
import { createPool } from "../../src/db/engine/pool.ts";
import { allStatements, statement } from "../../src/db/engine/statement.ts";
import { createPages } from "../../src/services/pages.ts";
import { createTestDatabase, execute } from "../support/databases.ts";
// Loading it declares all SQL.
import "../../src/server.ts";

/**
 * The index that each statement reads its page or its rows from; the statements that only insert have none.
 */
const indexes: Readonly<Record<string, readonly string[]>> = {
  "migrations.list": ["schema_migrations_pkey"],
  "readiness.echo": [],
  "secrets.create": [],
  "secrets.get": ["secrets_pkey"],
  "login_attempts.reserve": ["login_attempts_pkey"],
  "login_attempts.clear": ["login_attempts_pkey"],
  "login_attempts.count_failures": [],
  "login_attempts.sweep": ["login_attempts_expire_time_idx", "login_attempts_pkey"],
  "products.get": ["products_pkey"],
  "products.list": ["products_create_time_idx"],
  "products.create": [],
  "products.adjust_stock": ["products_pkey", "stock_movements_pkey"],
  "products.movements_by_id": ["stock_movements_pkey"],
  "products.refuse": [],
  "stock_movements.sweep": ["stock_movements_expire_time_idx", "stock_movements_pkey"],
  "orders.get": ["order_items_pkey", "orders_pkey"],
  "orders.list": ["orders_create_time_idx"],
  "orders.list_by_user": ["orders_user_id_create_time_idx"],
  "orders.list_by_status": ["orders_status_create_time_idx"],
  "orders.list_by_user_and_status": ["orders_user_id_create_time_idx"],
  "orders.list_full": ["order_items_pkey", "orders_create_time_idx"],
  "orders.list_full_by_user": ["order_items_pkey", "orders_user_id_create_time_idx"],
  "orders.list_full_by_status": ["order_items_pkey", "orders_status_create_time_idx"],
  "orders.list_full_by_user_and_status": ["order_items_pkey", "orders_user_id_create_time_idx"],
  "orders.list_events": ["order_events_pkey", "orders_pkey"],
  "orders.update_statuses": [
    "order_events_idempotency_key_key",
    "order_items_pkey",
    "orders_pkey",
    "products_pkey",
  ],
  "orders.events_by_key": ["order_events_idempotency_key_key"],
  "orders.add_items": ["imports_pkey", "order_items_pkey", "orders_pkey", "products_pkey"],
  "orders.fingerprints": ["orders_pkey"],
  "orders.create": ["imports_pkey", "products_pkey", "users_pkey"],
  "imports.get": ["imports_pkey"],
  "imports.begin": [],
  "imports.sweep": ["imports_expire_time_idx", "imports_pkey"],
  "orders.first_events": ["order_events_pkey"],
  "orders.refuse": [],
  "orders.refuse_changes": [],
  "order_events.sweep": ["order_events_expire_time_idx", "order_events_pkey"],
  "users.get": ["users_pkey"],
  "users.get_by_email": ["users_email_key"],
  "users.list": ["users_create_time_idx"],
  "users.create": ["user_changes_pkey"],
  "users.get_creations": ["user_changes_pkey", "users_pkey"],
  "users.refuse_changes": [],
  "users.refuse_creations": ["user_changes_pkey"],
  "user_changes.sweep": ["user_changes_expire_time_idx", "user_changes_pkey"],
  "users.update": ["user_changes_pkey", "users_pkey"],
  "users.delete": [
    "order_events_pkey",
    "order_items_pkey",
    "orders_pkey",
    "orders_user_id_create_time_idx",
    "products_pkey",
    "user_changes_pkey",
    "users_pkey",
  ],
};

/** The plans of statements on tables that hold something, in a session as the service opens it. */
async function explainAll(statements = allStatements()): Promise<PlanFacts[]> {
  await using database = await createTestDatabase();
  const limits = {
    connsMax: 1,
    connsMin: 0,
    queueMax: 1,
    waitMsMax: 1_000,
    lifetimeMs: 3_600_000,
    idleMsMax: 1_000,
  };
  await using pool = createPool(database.connection, "postgresql", limits);
  const { client, release } = await pool.checkOut({
    signal: new AbortController().signal,
    deadlineMs: Infinity,
  });
  try {
    await loadTables(client, 5_000);
    const plans = [];
    for (const each of statements) plans.push(await explain(client, each));
    return plans;
  } finally {
    release(true);
  }
}

// CockroachDB explains no statement with open parameters, and prints its plans in another form.
test.runIf(inject("engine").engine === "postgresql")(
  "every statement finds its rows by its named indexes, and pages need no sort",
  async () => {
    const plans = await explainAll();

    expect(Object.fromEntries(plans.map((plan) => [plan.name, plan.indexes]))).toEqual(indexes);
    expect(plans.flatMap(problemsOf)).toEqual([]);
  },
);

test.runIf(inject("engine").engine === "postgresql")(
  "no table has an index that no statement reads",
  async () => {
    await using database = await createTestDatabase();
    // A unique one also keeps a rule.
    const made = await execute<{ name: string }>(
      database.connection,
      `select c.relname as name from pg_index i join pg_class c on c.oid = i.indexrelid
    where c.relnamespace = 'public'::regnamespace and not i.indisunique`,
    );

    const read = new Set(Object.values(indexes).flat());

    expect(made.filter(({ name }) => !read.has(name))).toEqual([]);
  },
);

test.runIf(inject("engine").engine === "postgresql")(
  "a statement without an index for its rows or its order is found",
  async () => {
    const careless = [
      statement("test.scan", "select id from users where name = $1::text"),
      statement("test.all", "select id from users order by id"),
      statement("test.list", "select id from orders where user_id = $1::uuid order by update_time limit 10"),
    ];

    const plans = await explainAll(careless);

    expect(plans.flatMap(problemsOf)).toEqual([
      "test.scan reads users from end to end",
      "test.all reads users from end to end",
      "test.list sorts its page",
    ]);
  },
);

test.runIf(inject("engine").engine === "postgresql")(
  "every list finds its page by the instant and id of a cursor, which the first page has too",
  async () => {
    const lists = allStatements().filter(({ name }) =>
      /^(orders|products|users)\.list(_full)?(_by|$)/.test(name),
    );

    const plans = await explainAll(lists);
    const key = { period: 0, key: createSecretKey(Buffer.alloc(32)) };
    const first = await createPages({ current: () => key, find: async () => key.key }).parse("", []);

    const begins = plans.map(({ text }) =>
      /Index Cond: .*ROW\(create_time, id\) < ROW\(\$1, \$2\)/.test(text),
    );
    expect(begins).toEqual(lists.map(() => true));
    expect(first).toEqual({
      createTime: 253_402_300_799_000_000n,
      id: "ffffffff-ffff-ffff-ffff-ffffffffffff",
    });
  },
);
