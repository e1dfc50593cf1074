import { randomUUID } from "node:crypto";
import { expect, test, vi } from "vitest";
import { failure, outcomes, type Failure } from "../support/errors.ts";
import { readToEnd } from "../support/imports.ts";
import { countConnections } from "../support/metrics.ts";
import { line, type Shop } from "../support/shop.ts";
import { openAt, ownMs, ports, told } from "../support/told.ts";

// Calls that the service's own deadline ends while they wait for others, or for a later statement of theirs.

/** Callers with this deadline wait for longer than those that have none. */
const longestMs = 6 * ownMs;
const patient = { timeoutMs: longestMs };

test.each(ports)(
  "a caller that shares a batch with one who waits for longer is told in time (%s)",
  async (port) => {
    await using shop = await openAt(port, { longestMs });
    const { orders, inventory } = shop;
    const [{ id: userId }, lamp] = [await shop.user(), await shop.product()];
    const order = () => ({ userId, items: [line(lamp)], requestId: randomUUID() });
    const { id } = (await orders.createOrder(order())).order!;
    shop.proxy.decide = () => ({ kind: "hang" });
    const leave = new AbortController();
    const calls = (requestId: string, options = {}): Promise<unknown>[] => [
      orders.createOrder({ ...order(), requestId }, options),
      orders.getOrder({ id }, options),
      inventory.adjustStock({ productId: lamp.id, delta: 1n, requestId }, options),
      inventory.getProduct({ id: lamp.id }, options),
    ];

    const longer = outcomes(calls(randomUUID(), { ...patient, signal: leave.signal }));
    const failures = await outcomes([...calls(randomUUID()), ...calls("")]);
    leave.abort();

    expect(failures).toEqual([
      told.inDoubt,
      told.away,
      told.inDoubt,
      told.away,
      told.inDoubtWithout,
      told.away,
      told.inDoubtWithout,
      told.away,
    ]);
    expect(await longer).toMatchObject(Array.from({ length: 4 }, () => ({ code: "Canceled" })));
  },
);

test.each(ports)("a call that waits for a connection is told so, and can be repeated (%s)", async (port) => {
  await using shop = await openAt(port, { longestMs, pool: { connsMax: 1, waitMsMax: 10 * longestMs } });
  const { users, orders, inventory } = shop;
  const { id } = await shop.user();
  shop.proxy.decide = () => ({ kind: "hang" });
  const leave = new AbortController();
  const first = failure(users.listUsers({}, { ...patient, signal: leave.signal }));
  const isUsed = async (): Promise<boolean> => (await countConnections(shop, "used")) === 1;
  await vi.waitUntil(isUsed, { timeout: 10_000 });

  const failures = await outcomes([
    users.deleteUser({ id, requestId: randomUUID() }),
    users.deleteUser({ id }),
    inventory.listProducts({}),
    orders.listOrders({ pageSize: 1_000 }),
  ]);
  leave.abort();

  expect(failures).toEqual(failures.map(() => told.noConnection));
  expect((await first).code).toBe("Canceled");
});

test.each(ports)(
  "a large read that waits for its turn is told so, and can be repeated (%s)",
  async (port) => {
    await using shop = await openAt(port, { longestMs });
    shop.proxy.decide = () => ({ kind: "hang" });
    const leave = new AbortController();
    const read = (options = {}) => shop.orders.listOrders({ pageSize: 1_000 }, options);
    const running = outcomes([1, 2].map(() => read({ ...patient, signal: leave.signal })));

    const waiting = await failure(read());
    leave.abort();

    expect(waiting).toEqual(told.noTurn);
    expect(await running).toMatchObject([{ code: "Canceled" }, { code: "Canceled" }]);
  },
);

type Late = readonly [
  name: string,
  /** The first statement whose answer is swallowed. */
  statement: string,
  expected: Failure,
  arrange: (shop: Shop) => Promise<(requestId: string) => Promise<unknown>>,
];

const { inDoubt, inDoubtWithout, away } = told;
const password = "correct horse";

/** Of calls of several statements or steps, those behind the first. */
const late: readonly Late[] = [
  ["CreateOrder that is refused", "orders.refuse", inDoubt, async (shop) => place(shop, 0n)],
  ["CreateOrder that is refused", "orders.get", inDoubtWithout, async (shop) => place(shop, 0n)],
  ["AdjustStock that is refused", "products.refuse", inDoubt, async (shop) => take(shop, 0n)],
  ["UpdateUser that is refused", "users.refuse_changes", inDoubt, rename],
  ["CreateUser that is refused", "users.refuse_creations", inDoubt, createAgain],
  ["CreateUser that is refused", "users.get_creations", inDoubtWithout, createAgain],
  ["ImportOrders", "orders.create", inDoubt, async (shop) => importOrder(shop)],
  ["ImportOrders", "orders.create", inDoubtWithout, async (shop) => importOrder(shop)],
  ["ImportOrderItems", "orders.add_items", inDoubt, async (shop) => importItem(shop)],
  ["ImportOrderItems", "orders.add_items", inDoubtWithout, async (shop) => importItem(shop)],
  ["DeleteUser", "commit", inDoubt, async (shop) => remove(shop)],
  ["DeleteUser", "commit", inDoubtWithout, async (shop) => remove(shop)],
  ["AuthenticateUser", "users.get_by_email", away, async (shop) => logIn(shop)],
  ["AuthenticateUser", "login_attempts.clear", away, async (shop) => logIn(shop)],
];

async function place(shop: Shop, onHand: bigint) {
  const [{ id: userId }, lamp] = [await shop.user(), await shop.product(onHand)];
  return (requestId: string) => shop.orders.createOrder({ userId, items: [line(lamp)], requestId });
}

async function remove(shop: Shop) {
  const { id } = await shop.user();
  return (requestId: string) => shop.users.deleteUser({ id, requestId });
}

async function take(shop: Shop, onHand: bigint) {
  const { id: productId } = await shop.product(onHand);
  return (requestId: string) => shop.inventory.adjustStock({ productId, delta: -1n, requestId });
}

async function rename(shop: Shop) {
  const [{ id }, { email }] = [await shop.user(), await shop.user()];
  return (requestId: string) => shop.users.updateUser({ user: { id, email }, requestId });
}

async function createAgain(shop: Shop) {
  const { email } = await shop.user();
  return (requestId: string) => shop.users.createUser({ email, name: "Eve", password, requestId });
}

async function importOrder(shop: Shop) {
  const [{ id: userId }, lamp] = [await shop.user(), await shop.product()];
  const orders = [{ userId, items: [line(lamp)] }];
  return (requestId: string) => readToEnd(shop.orders.importOrders({ requestId, orders }));
}

async function importItem(shop: Shop) {
  const lamp = await shop.product();
  const items = [{ orderId: (await shop.order([lamp])).id, item: line(lamp) }];
  return (requestId: string) => readToEnd(shop.orders.importOrderItems({ requestId, items }));
}

async function logIn(shop: Shop) {
  const { email } = await shop.user();
  return () => shop.users.authenticateUser({ email, password });
}

test.concurrent.each(late)(
  "%s whose %s is swallowed is told what is known",
  async (_name, first, expected, arrange) => {
    await using shop = await openAt("gRPC port");
    const call = await arrange(shop);
    let isCut = false;
    shop.proxy.decide = ({ statement }) => {
      isCut ||= statement === first;
      return isCut ? { kind: "hang" } : undefined;
    };

    const failed = await failure(call(expected === inDoubtWithout ? "" : randomUUID()));

    expect([isCut, failed]).toEqual([true, expected]);
  },
);
