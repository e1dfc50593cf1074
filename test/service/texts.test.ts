import { randomBytes, randomUUID } from "node:crypto";
import { expect, inject, test } from "vitest";
import { migrate } from "../../src/db/migrate/migrate.ts";
import { acquireLease } from "../../src/db/migrate/lease.ts";
import { readTexts } from "../../src/db/texts.ts";
import { OrderView } from "../../src/gen/commerce/order/v1/order_service_pb.ts";
import { dropDatabase, execute } from "../support/databases.ts";
import { failure } from "../support/errors.ts";
import { startProxy, type Fault, type Proxy } from "../support/proxy.ts";
import { createRequests } from "../support/requests.ts";
import { line, openShop, type Shop } from "../support/shop.ts";

const { connection, engine } = inject("engine");

type ListRequest = Parameters<Shop["orders"]["listOrders"]>[0];

/** What the wire to the database has seen: names of prepared statements, and texts without a name. */
const seen = new Set<string>();
await migrateEmpty();
await serve();

/** What is listed and does not happen here. */
const elsewhere = [
  // Of callers who are known, and of every 64th failure.
  "login_attempts.count_failures",
  "login_attempts.sweep",
  // Once a minute.
  ...["order_events", "user_changes", "stock_movements", "imports"].map((table) => `${table}.sweep`),
  // No method needs a transaction of several statements, and on CockroachDB no migration either.
  ...(engine === "postgresql" ? [] : ["transaction.commit", "transaction.rollback"]),
  "transaction.begin",
  // Of a connection that has been idle for ten seconds.
  "pool.sign_of_life",
  // When the server was made that the tests use.
  ...(engine === "postgresql"
    ? ["embedded.set_iterations", "embedded.create_role", "embedded.create_database"]
    : []),
];

test("every SQL text that reaches the database is listed", async () => {
  const listed = await readTexts(engine);

  const known = new Set([...listed.keys(), ...listed.values()]);
  expect([...seen].filter((each) => !known.has(each))).toEqual([]);
});

test("every SQL text that is listed reaches the database", async () => {
  const listed = await readTexts(engine);

  const unseen = [...listed].filter(([name, text]) => !seen.has(name) && !seen.has(text));
  expect(new Set(unseen.map(([name]) => name))).toEqual(new Set(elsewhere));
});

/** Remembers what passes a proxy, with a fault at the first exchange with some of the statements. */
function record(proxy: Proxy, faults: Readonly<Record<string, Fault>> = {}): void {
  const due = new Map(Object.entries(faults));
  proxy.decidesIdentification = true;
  proxy.decide = ({ statement }) => {
    // Ends of sessions on CockroachDB have the session's id and its node in their texts.
    seen.add(statement.replaceAll(/'[0-9a-f]{32}'/g, "'<id>'").replace(/node_id = \d+/, "node_id = <node>"));
    const fault = due.get(statement);
    due.delete(statement);
    return fault;
  };
}

/** Migrates an empty database, and asks for the lease while it is held. */
async function migrateEmpty(): Promise<void> {
  await using cleanup = new AsyncDisposableStack();
  const database = `test_${randomBytes(6).toString("hex")}`;
  await execute(connection, `create database ${database}`);
  cleanup.defer(async () => {
    if (engine === "postgresql") await dropDatabase(connection, database);
    else await execute(connection, `drop database ${database} cascade`);
  });
  const proxy = cleanup.use(await startProxy({ ...connection, database }));
  record(proxy);
  await migrate(proxy.connection, { engine });
  cleanup.use(await acquireLease(proxy.connection, 0));
  await expect(acquireLease(proxy.connection, 0)).rejects.toThrow("migrations are being run");
}

/** Starts the service and calls each method, those that remember their calls twice. */
async function serve(): Promise<void> {
  const through = async (upstream: typeof connection): Promise<Proxy> => {
    const proxy = await startProxy(upstream);
    record(proxy);
    return proxy;
  };
  await using shop = await openShop({}, { through });
  const { methods } = await createRequests(shop);
  const [ada, lamp] = [await shop.user(), await shop.product()];
  const { id } = await shop.order([lamp], 1, ada.id);
  record(shop.proxy, {
    "orders.create": { kind: "drop_answer" },
    "users.delete": { kind: "error", code: "40001" },
  });

  for (const [call, request] of Object.values(methods)) await call(request as never);
  const lists: ListRequest[] = [{}, { userId: ada.id }, { status: 1 }, { userId: ada.id, status: 1 }];
  for (const request of lists)
    for (const view of [OrderView.BASIC, OrderView.FULL]) await shop.orders.listOrders({ ...request, view });
  const requestId = randomUUID();
  const orders = [{ userId: ada.id, items: [line(lamp)] }];
  const items = [{ orderId: id, item: line(lamp) }];
  const eve = { email: "eve@example.com", name: "Eve", password: "correct horse" };
  for (const _ of ["first", "repeated"]) {
    await drain(shop.orders.importOrders({ orders, requestId }));
    await drain(shop.orders.importOrderItems({ items, requestId }));
    await shop.orders.updateOrderStatus({ id, status: 2, requestId });
    await shop.inventory.adjustStock({ productId: lamp.id, delta: 1n, requestId });
    await shop.users.createUser({ ...eve, requestId });
    await refuseAll(shop, { userId: ada.id, items: [line(lamp, 1_000)] }, randomUUID());
  }
}

/** Calls each method whose refusals are kept, an order twice, so that it is refused. */
async function refuseAll(
  { users, orders, inventory }: Shop,
  order: { readonly userId: string; readonly items: readonly ReturnType<typeof line>[] },
  requestId: string,
): Promise<void> {
  const [{ productId }] = order.items as [ReturnType<typeof line>];
  await failure(orders.createOrder({ ...order, items: [...order.items], requestId }));
  await failure(orders.createOrder({ ...order, items: [...order.items], requestId }));
  await failure(orders.updateOrderStatus({ id: requestId, status: 2, requestId }));
  await failure(inventory.adjustStock({ productId, delta: -1_000n, requestId }));
  await failure(users.deleteUser({ id: order.userId, requestId }));
  await failure(
    users.createUser({ email: "eve@example.com", name: "Eve", password: "correct horse", requestId }),
  );
}

async function drain(answers: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of answers);
}
