import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { afterAll, beforeEach, expect, test } from "vitest";
import { OrderStatus } from "../../src/gen/commerce/order/v1/order_service_pb.ts";
import { failure } from "../support/errors.ts";
import { once, startProxy, type Fault } from "../support/proxy.ts";
import { createRequests } from "../support/requests.ts";
import { line, openShop, type Shop } from "../support/shop.ts";

const shop = await openShop({}, { through: startProxy });
afterAll(() => shop[Symbol.asyncDispose]());
const { users, orders, inventory, proxy } = shop;
const ada = await shop.user();
beforeEach(() => void (proxy.decide = () => undefined));

const lost: Fault = { kind: "drop_answer" };

async function onHand(id: string): Promise<bigint> {
  return (await inventory.getProduct({ id })).product!.onHand;
}

/** The orders of a user, as a page shows them. */
async function ordersOf(userId: string): Promise<string[]> {
  return (await orders.listOrders({ userId })).orders.map(({ id }) => id);
}

test("CreateOrder whose lost first attempt took the last stock returns the order", async () => {
  const [lamp, eve] = [await shop.product(1n), await shop.user()];
  proxy.decide = once("orders.create", lost);

  const { order } = await orders.createOrder({ userId: eve.id, items: [line(lamp)] });

  expect((await orders.getOrder({ id: order!.id })).order).toEqual(order);
  expect(await ordersOf(eve.id)).toEqual([order!.id]);
  expect(await onHand(lamp.id)).toBe(0n);
});

test("CreateUser whose lost first attempt created the user returns him", async () => {
  const email = `${randomUUID()}@example.com`;
  proxy.decide = once("users.create", lost);

  const { user } = await users.createUser({ email, name: "Grace", password: "correct horse" });

  expect((await users.getUserByEmail({ email })).user).toEqual(user);
});

test("UpdateOrderStatus that was lost after its commit succeeds, though its etag is stale now", async () => {
  const { id, etag } = await shop.order([await shop.product()], 1, ada.id);
  proxy.decide = once("orders.update_statuses", lost);

  const { order } = await orders.updateOrderStatus({ id, status: OrderStatus.CONFIRMED, etag });

  expect(order).toMatchObject({ id, status: OrderStatus.CONFIRMED, etag: '"2"' });
  expect((await orders.listOrderEvents({ orderId: id })).events).toHaveLength(2);
});

test("CreateOrder whose first attempt arrives late, around the second one, places one order", async () => {
  const [lamp, eve] = [await shop.product(20n), await shop.user()];
  let attempts = 0;
  proxy.decide = ({ statement }) =>
    statement === "orders.create" && attempts < 20 ? { kind: "late", ms: attempts++ } : undefined;

  const answers = await Promise.all(
    Array.from({ length: 20 }, () => orders.createOrder({ userId: eve.id, items: [line(lamp)] })),
  );
  // All that was late has arrived by then.
  await delay(50);

  expect(attempts).toBe(20);
  expect(new Set(await ordersOf(eve.id))).toEqual(new Set(answers.map(({ order }) => order!.id)));
  expect(await onHand(lamp.id)).toBe(0n);
});

test("CreateOrder that was refused does not happen later, when its first attempt arrives", async () => {
  const [lamp, eve] = [await shop.product(0n), await shop.user()];
  proxy.decide = once("orders.create", { kind: "late", ms: 300 });

  const refused = await failure(orders.createOrder({ userId: eve.id, items: [line(lamp)] }));
  await inventory.adjustStock({ productId: lamp.id, delta: 1n });
  await delay(400);

  expect(refused).toMatchObject({ code: "FailedPrecondition", reason: "INSUFFICIENT_STOCK" });
  expect([await ordersOf(eve.id), await onHand(lamp.id)]).toEqual([[], 1n]);
});

test("CreateOrder that is repeated when the order has moved on returns it as it is now", async () => {
  const lamp = await shop.product(1n);
  const request = { userId: ada.id, items: [line(lamp)], requestId: randomUUID() };
  proxy.decide = once("orders.create", lost);
  const { order } = await orders.createOrder(request);
  for (const status of [OrderStatus.CONFIRMED, OrderStatus.SHIPPED])
    await orders.updateOrderStatus({ id: order!.id, status });

  const again = await orders.createOrder(request);

  expect(again.order).toEqual((await orders.getOrder({ id: order!.id })).order);
  expect(again.order).toMatchObject({ id: order!.id, status: OrderStatus.SHIPPED, items: order!.items });
});

test("CreateOrder called 50 times at once with one request_id, with faults, places one order", async () => {
  const [lamp, eve] = [await shop.product(1n), await shop.user()];
  const request = { userId: eve.id, items: [line(lamp)], requestId: randomUUID() };
  const faults: Fault[] = [lost, { kind: "cut_after" }, { kind: "cut_before" }, { kind: "late", ms: 5 }];
  const errors = ["40001", "57P01"].map((code): Fault => ({ kind: "error", code }));
  const all = [...faults, ...errors, { kind: "error_after", code: "40003" } satisfies Fault];
  let exchanges = 0;
  // Every fifth exchange fails, each time in another way. An attempt takes two exchanges, or three on
  // CockroachDB, of which it is another one each time.
  proxy.decide = () => (exchanges++ % 5 === 0 ? all[((exchanges / 5) % all.length) | 0] : undefined);

  // They go one after the other.
  const patience = { timeoutMs: 50_000 };
  const answers = await Promise.all(Array.from({ length: 50 }, () => orders.createOrder(request, patience)));
  proxy.decide = () => undefined;

  const stored = await orders.getOrder({ id: answers[0]!.order!.id });
  expect(answers).toEqual(Array.from({ length: 50 }, () => ({ ...answers[0], order: stored.order })));
  expect(await ordersOf(eve.id)).toEqual([stored.order!.id]);
  expect(await onHand(lamp.id)).toBe(0n);
});

/** The statement of each mutation. */
const mutations: Readonly<Record<string, string>> = {
  CreateUser: "users.create",
  UpdateUser: "users.update",
  DeleteUser: "users.delete",
  CreateOrder: "orders.create",
  UpdateOrderStatus: "orders.update_statuses",
  BatchUpdateOrderStatuses: "orders.update_statuses",
  CreateProduct: "products.create",
  AdjustStock: "products.adjust_stock",
};

type Seen = { readonly name: string; readonly isSame: boolean; readonly stored: unknown };

/** Calls each mutation twice with one request_id, first with a fault, and looks at what is stored then. */
async function mutate(other: Shop, fault?: Fault): Promise<Seen[]> {
  const { methods } = await createRequests(other);
  const seen: Seen[] = [];
  for (const [name, [call, request]] of Object.entries(methods)) {
    if (!("requestId" in request)) continue;
    if (fault) other.proxy!.decide = once(mutations[name]!, fault);
    const repeatable = { ...request, requestId: randomUUID() } as never;
    const [answer, again] = [await call(repeatable), await call(repeatable)];
    seen.push({ name, isSame: isDeepStrictEqual(answer, again), stored: await other.stored() });
  }
  return seen;
}

test.each<Fault>([
  lost,
  { kind: "cut_after" },
  { kind: "error_after", code: "40003" },
  { kind: "late", ms: 2 },
])(
  "a mutation that meets %o, and then is repeated, does what one that meets no fault does",
  async (fault) => {
    await using flawed = await openShop({}, { through: startProxy });
    await using flawless = await openShop();

    const seen = await mutate(flawed, fault);

    expect(seen).toEqual(await mutate(flawless));
    expect(seen.filter(({ isSame }) => !isSame)).toEqual([]);
    expect([...flawed.proxy.injected]).toEqual([[fault.kind, Object.keys(mutations).length]]);
  },
);
