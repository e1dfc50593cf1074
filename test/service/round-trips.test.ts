import { randomUUID } from "node:crypto";
import { afterAll, expect, inject, test } from "vitest";
import { InventoryService } from "../../src/gen/commerce/inventory/v1/inventory_service_pb.ts";
import { OrderService } from "../../src/gen/commerce/order/v1/order_service_pb.ts";
import { UserService } from "../../src/gen/commerce/user/v1/user_service_pb.ts";
import { execute } from "../support/databases.ts";
import { failure } from "../support/errors.ts";
import { drafts } from "../support/imports.ts";
import { startProxy } from "../support/proxy.ts";
import { createRequests } from "../support/requests.ts";
import { line, openShop } from "../support/shop.ts";

/**
 * What an answer costs when the call succeeds, in round trips to the database. An answer of a stream is a
 * chunk that has been committed.
 */
const roundTrips: Readonly<Record<string, number>> = {
  "UserService.CreateUser": 1,
  "UserService.GetUser": 1,
  "UserService.GetUserByEmail": 1,
  "UserService.BatchGetUsers": 1,
  "UserService.UpdateUser": 1,
  // On PostgreSQL with `begin` and `commit`; see Statement.isolation.
  "UserService.DeleteUser": inject("engine").engine === "postgresql" ? 3 : 1,
  "UserService.ListUsers": 1,
  // The attempt is reserved, judged and cleared.
  "UserService.AuthenticateUser": 3,
  "OrderService.CreateOrder": 1,
  "OrderService.GetOrder": 1,
  "OrderService.ListOrders": 1,
  "OrderService.UpdateOrderStatus": 1,
  "OrderService.BatchUpdateOrderStatuses": 1,
  "OrderService.ListOrderEvents": 1,
  "OrderService.ImportOrders": 1,
  "OrderService.ImportOrderItems": 1,
  "OrderService.IngestOrders": 1,
  "InventoryService.CreateProduct": 1,
  "InventoryService.GetProduct": 1,
  "InventoryService.ListProducts": 1,
  "InventoryService.AdjustStock": 1,
};

const shop = await openShop({}, { through: startProxy });
afterAll(() => shop[Symbol.asyncDispose]());
const { users, orders, proxy } = shop;
const { methods } = await createRequests(shop);

/** The statements that a call has executed, as the wire to the database has seen them: a round trip each. */
async function statementsOf(call: () => Promise<unknown>): Promise<string[]> {
  const statements: string[] = [];
  proxy.decide = ({ statement }) => {
    // Readiness is looked at every two seconds, whoever calls.
    if (!["readiness.echo", "migrations.list"].includes(statement)) statements.push(statement);
    return undefined;
  };
  await call();
  proxy.decide = () => undefined;
  return statements;
}

/**
 * Round trips for each chunk of a stream, some of whose answers are no chunks, without the two that begin
 * the import.
 */
async function perChunk(answers: AsyncIterable<unknown>, others = 0): Promise<number> {
  let count = 0;
  const statements = await statementsOf(async () => {
    for await (const _ of answers) count++;
  });
  const chunks = count - others;
  // A single one would not tell what is done for each from what is done once.
  expect(chunks).toBeGreaterThan(1);
  expect(statements.filter((name) => name.startsWith("imports."))).toEqual(["imports.get", "imports.begin"]);
  return (statements.length - 2) / chunks;
}

/** Past the service: 64 passwords take long to hash. */
const insertUsers = `
  insert into users (id, email, name, password_hash, fingerprint)
  select gen_random_uuid(), 'user' || n || '@example.com', 'Ada', '', gen_random_uuid()
  from generate_series(1, 64) as n
  returning id`;

/** More rows than a chunk takes, for a user and orders of his own. */
async function createStreams(): Promise<Readonly<Record<string, () => Promise<number>>>> {
  const [eve, pen] = [await shop.user(), await shop.product(1_000_000n)];
  const [first, second] = [await shop.order([pen], 1, eve.id), await shop.order([pen], 1, eve.id)];
  const many = drafts(eve.id, pen, 1_100);
  const items = many.map((_, n) => ({ orderId: (n % 2 === 0 ? first : second).id, item: line(pen) }));
  async function* send() {
    yield { orders: many };
  }
  return {
    ImportOrders: () => perChunk(orders.importOrders({ orders: many })),
    ImportOrderItems: () => perChunk(orders.importOrderItems({ items })),
    IngestOrders: () => perChunk(orders.ingestOrders(send()), 1),
  };
}

test("each method that succeeds costs as many round trips to the database for an answer as stated", async () => {
  const streams = await createStreams();

  const measured: Record<string, number> = {};
  for (const { parent, name } of [UserService, OrderService, InventoryService].flatMap((s) => s.methods)) {
    const [call, request] = methods[name] ?? [];
    const count = call
      ? async () => (await statementsOf(() => call(request as never))).length
      : streams[name];
    if (!count) throw new Error(`this test does not know how to call ${name}`);
    measured[`${parent.name}.${name}`] = await count();
  }

  expect(measured).toEqual(roundTrips);
});

/**
 * Of 64 calls at once. All that arrive in one turn of the event loop leave together, and a network brings
 * them in a few turns: two or three round trips. The rest is for a busy machine, which brings some later.
 */
const crowdMax = 8;

test("64 calls of GetUser that arrive together share a few round trips", async () => {
  const ids = (await execute<{ id: string }>(shop.connection, insertUsers)).map(({ id }) => id);

  const statements = await statementsOf(() => Promise.all(ids.map((id) => users.getUser({ id }))));

  expect(statements.length).toBeLessThanOrEqual(crowdMax);
});

test("64 calls that read pages of different kinds and arrive together share a few round trips", async () => {
  const [ada, lamp] = [await shop.user(), await shop.product()];
  const order = await shop.order([lamp], 1, ada.id);
  const reads = [
    () => orders.listOrders({ pageSize: 5 }),
    () => orders.listOrders({ userId: ada.id, pageSize: 5 }),
    () => orders.listOrderEvents({ orderId: order.id, pageSize: 5 }),
    () => users.listUsers({ pageSize: 5 }),
  ];
  const calls = Array.from({ length: 64 }, (_, n) => reads[n % reads.length]!);

  const statements = await statementsOf(() => Promise.all(calls.map((call) => call())));

  expect(statements.length).toBeLessThanOrEqual(crowdMax);
});

test("64 calls of CreateOrder for one product that arrive together share a few round trips", async () => {
  const [ada, lamp] = [await shop.user(), await shop.product()];
  const requests = Array.from({ length: 64 }, () => ({ userId: ada.id, items: [line(lamp)] }));

  const statements = await statementsOf(() => Promise.all(requests.map((each) => orders.createOrder(each))));

  expect(statements.length).toBeLessThanOrEqual(crowdMax);
});

test("CreateOrder that is refused costs a second round trip: the look for its own id", async () => {
  const [ada, lamp] = [await shop.user(), await shop.product(1n)];

  const statements = await statementsOf(() =>
    failure(orders.createOrder({ userId: ada.id, items: [line(lamp, 2)] })),
  );

  expect(statements).toEqual(["orders.create", "orders.get"]);
});

test("CreateOrder that is refused under a request_id costs a second round trip: the mark of its refusal", async () => {
  const [ada, lamp] = [await shop.user(), await shop.product(1n)];
  const request = { userId: ada.id, items: [line(lamp, 2)], requestId: randomUUID() };

  const statements = await statementsOf(() => failure(orders.createOrder(request)));

  expect(statements).toEqual(["orders.create", "orders.refuse"]);
});
