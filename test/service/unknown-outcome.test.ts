import { randomUUID } from "node:crypto";
import { Code } from "@connectrpc/connect";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import type { Product } from "../../src/gen/commerce/inventory/v1/inventory_service_pb.ts";
import { failureOf } from "../support/calls.ts";
import { failure, toFailure, type Failure } from "../support/errors.ts";
import { holdProduct } from "../support/locks.ts";
import { countConnections } from "../support/metrics.ts";
import { once, startProxy } from "../support/proxy.ts";
import { line, openShop } from "../support/shop.ts";

const shop = await openShop({}, { through: startProxy });
afterAll(() => shop[Symbol.asyncDispose]());
const { orders, inventory, users, proxy } = shop;
const ada = await shop.user();

async function onHand(id: string): Promise<bigint> {
  return (await inventory.getProduct({ id })).product!.onHand;
}

/** Leaves the service without a connection, and without a way to make one. */
async function disconnect(): Promise<void> {
  proxy.refuse("refuse");
  const isCutOff = async (): Promise<boolean> => {
    proxy.endIdle();
    return (await countConnections(shop)) === 0;
  };
  await vi.waitUntil(isCutOff, { timeout: 10_000 });
}

// Whatever became of its calls, the service has all its connections back.
afterEach(async () => {
  proxy.decide = () => undefined;
  await vi.waitUntil(async () => (await countConnections(shop, "used")) === 0, { timeout: 10_000 });
});

describe("a call whose attempts run out while nothing gets through any more", () => {
  const requestId = randomUUID();
  // Of one each: whether an order was placed, its product shows.
  let [lamp, chair]: Product[] = [];
  let failures: Readonly<Record<"keyed" | "unkeyed" | "read" | "unsent", Failure>>;
  const place = (product: Product, key = "") =>
    orders.createOrder({ userId: ada.id, items: [line(product)], requestId: key });

  beforeAll(async () => {
    [lamp, chair] = [await shop.product(1n), await shop.product(1n)];
    // Each order is placed and its answer lost, and so is all else.
    proxy.decide = ({ statement }) => ({
      kind: statement === "orders.create" ? "drop_answer" : "cut_before",
    });
    const [keyed, unkeyed, read] = await Promise.all([
      failure(place(lamp, requestId)),
      failure(place(chair)),
      failure(inventory.getProduct({ id: lamp.id })),
    ]);
    proxy.decide = () => undefined;
    await disconnect();
    const grace = { email: "grace@example.com", name: "Grace", password: "correct horse" };
    const unsent = await failure(users.createUser(grace));
    proxy.refuse(undefined);
    // Until the service has seen that the database is back, it tells its callers that it is away.
    const isBack = (): Promise<boolean> =>
      inventory.getProduct({ id: lamp!.id }).then(
        () => true,
        () => false,
      );
    await vi.waitUntil(isBack, { timeout: 10_000 });
    failures = { keyed, unkeyed, read, unsent };
  }, 60_000);

  test("fails with UNAVAILABLE and a delay if it has a request_id, by which it can be repeated", async () => {
    const before = await onHand(lamp!.id);

    const { order } = await place(lamp!, requestId);

    expect(failures.keyed).toEqual({ code: "Unavailable", reason: "COMMIT_OUTCOME_UNKNOWN", retry: true });
    expect((await orders.getOrder({ id: order!.id })).order).toEqual(order);
    expect([before, await onHand(lamp!.id)]).toEqual([0n, 0n]);
  });

  test("fails with UNKNOWN and a request_id if it has none, so that nothing repeats it without", async () => {
    const before = await onHand(chair!.id);

    const { order } = await place(chair!, failures.unkeyed.metadata?.["request_id"]);

    expect(failures.unkeyed).toEqual({
      code: "Unknown",
      reason: "COMMIT_OUTCOME_UNKNOWN",
      retry: true,
      metadata: { request_id: expect.any(String) },
    });
    expect((await orders.getOrder({ id: order!.id })).order).toEqual(order);
    expect([before, await onHand(chair!.id)]).toEqual([0n, 0n]);
  });

  test("fails with UNAVAILABLE if it only reads: there is no outcome to be unknown", () => {
    expect(failures.read).toEqual({ code: "Unavailable", reason: "DATABASE_UNAVAILABLE", retry: true });
  });

  test("fails with UNAVAILABLE if it was never sent, and nothing has happened", () => {
    expect(failures.unsent).toEqual({ code: "Unavailable", reason: "DATABASE_UNAVAILABLE", retry: true });
  });
});

describe("a call without a deadline of its own whose database has become silent", () => {
  test.each([
    ["CreateOrder with a request_id", { code: "Unavailable", reason: "COMMIT_OUTCOME_UNKNOWN" }],
    ["CreateOrder without", { code: "Unknown", reason: "COMMIT_OUTCOME_UNKNOWN" }],
    ["GetProduct", { code: "Unavailable", reason: "DATABASE_UNAVAILABLE" }],
  ])("%s is told what is known before the service's own deadline", async (name, expected) => {
    await using own = await openShop({ calls: { deadlineMsDefault: 3_000 } }, { through: startProxy });
    const [eve, lamp] = [await own.user(), await own.product()];
    const requestId = name.endsWith("request_id") ? randomUUID() : "";
    own.proxy.refuse("silence");
    own.proxy.decide = () => ({ kind: "half_open" });

    const failed = await failure(
      name === "GetProduct"
        ? own.inventory.getProduct({ id: lamp.id })
        : own.orders.createOrder({ userId: eve.id, items: [line(lamp)], requestId }),
    );

    expect(failed).toMatchObject({ ...expected, retry: true });
  });
});

test("a change that waits for a lock to the service's own deadline is told its request_id in words", async () => {
  await using own = await openShop({ calls: { deadlineMsDefault: 1_000 } });
  const lamp = await own.product(1n);
  await using _ = await holdProduct(own, lamp);

  const failed = await failureOf(own.inventory.adjustStock({ productId: lamp.id, delta: -1n }));

  const { request_id: made } = toFailure(failed).metadata!;
  expect([failed.code, failed.rawMessage]).toEqual([
    Code.Unknown,
    `it is not known whether the change was committed; repeat the call with the request_id ${made}`,
  ]);
});

test("a call that has happened does not fail as if it had not when its result cannot be read", async () => {
  const lamp = await shop.product(1n);
  const isLost = once("orders.create", { kind: "drop_answer" });
  proxy.decide = (exchange) =>
    exchange.statement === "orders.get" ? { kind: "error", code: "40001" } : isLost(exchange);

  const failed = await failure(
    orders.createOrder({ userId: ada.id, items: [line(lamp)], requestId: randomUUID() }),
  );
  proxy.decide = () => undefined;

  expect(failed).toEqual({ code: "Unavailable", reason: "COMMIT_OUTCOME_UNKNOWN", retry: true });
  expect(await onHand(lamp.id)).toBe(0n);
});

test("a call that hangs in the database ends with its deadline, and can be repeated", async () => {
  const lamp = await shop.product(1n);
  const request = { userId: ada.id, items: [line(lamp)], requestId: randomUUID() };
  proxy.decide = ({ statement }) => (statement === "orders.create" ? { kind: "hang" } : undefined);
  const since = performance.now();

  const hung = await failure(orders.createOrder(request, { timeoutMs: 300 }));
  const elapsedMs = performance.now() - since;
  proxy.decide = () => undefined;
  const { order } = await orders.createOrder(request);

  expect(hung.code).toBe("DeadlineExceeded");
  expect(elapsedMs).toBeLessThan(2_000);
  expect((await orders.getOrder({ id: order!.id })).order).toEqual(order);
  expect(await onHand(lamp.id)).toBe(0n);
});

test("calls that hang in the database leave nothing behind that others would wait for", async () => {
  const [lamp, eve] = [await shop.product(30n), await shop.user()];
  const place = (timeoutMs: number): Promise<string> =>
    orders.createOrder({ userId: eve.id, items: [line(lamp)] }, { timeoutMs }).then(
      () => "OK",
      (error: unknown) => toFailure(error).code,
    );
  proxy.decide = ({ statement }) => (statement === "orders.create" ? { kind: "half_open" } : undefined);

  const hung = await Promise.all(Array.from({ length: 10 }, () => place(200)));
  proxy.decide = () => undefined;
  const placed = await Promise.all(Array.from({ length: 20 }, () => place(10_000)));

  expect(hung).toEqual(hung.map(() => "DeadlineExceeded"));
  expect(placed).toEqual(placed.map(() => "OK"));
  // Calls that waited behind those that hung may have happened after their callers had left.
  const { orders: stored } = await orders.listOrders({ userId: eve.id });
  expect(await onHand(lamp.id)).toBe(30n - BigInt(stored.length));
});
