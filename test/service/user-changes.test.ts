import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { execute } from "../support/databases.ts";
import { failure } from "../support/errors.ts";
import { openShop, price, type Shop } from "../support/shop.ts";

/** Orders of a user with items and events, placed past the service: one by one takes too long. */
async function placeOrders(shop: Shop, userId: string, orders: number, items: number): Promise<void> {
  const { id: productId } = await shop.product();
  await execute(shop.connection, insertOrders, [userId, orders, items, productId]);
}

const insertOrders = `
  with placed as (
    insert into orders (id, user_id, status, currency_code, total, item_count, reserves_stock, fingerprint)
    select gen_random_uuid(), $1::uuid, 'pending', 'EUR', 9.99, $3::int4, true, gen_random_uuid()
    from generate_series(1, $2::int4)
    returning id
  ),
  event as (insert into order_events (order_id, version, status) select id, 1, 'pending' from placed)
  insert into order_items (order_id, id, position, product_id, quantity, unit_price)
  select id, gen_random_uuid(), n, $4::uuid, 1, 9.99 from placed, generate_series(1, $3::int4) n`;

test("UpdateUser changes what the mask names and gives a new etag", async () => {
  await using shop = await openShop();
  const ada = await shop.user();

  const { user } = await shop.users.updateUser({
    user: { ...ada, name: "Countess", email: "countess@example.com" },
    updateMask: { paths: ["name"] },
  });

  expect(user).toMatchObject({ name: "Countess", email: ada.email, etag: '"2"', createTime: ada.createTime });
  expect(user!.updateTime).not.toEqual(ada.updateTime);
});

test("UpdateUser without a mask changes the fields that are not empty", async () => {
  await using shop = await openShop();
  const ada = await shop.user();

  const { user } = await shop.users.updateUser({ user: { id: ada.id, email: "Countess@Example.com" } });

  expect(user).toMatchObject({ name: ada.name, email: "countess@example.com" });
});

test("UpdateUser fails with ABORTED for a stale etag and changes nothing", async () => {
  await using shop = await openShop();
  const ada = await shop.user();
  await shop.users.updateUser({ user: { ...ada, name: "Countess" } });

  const failed = await failure(shop.users.updateUser({ user: { ...ada, name: "Eve" } }));

  expect(failed).toEqual({ code: "Aborted", reason: "ETAG_MISMATCH", metadata: { id: ada.id, etag: '"2"' } });
  expect((await shop.users.getUser({ id: ada.id })).user!.name).toBe("Countess");
});

test("UpdateUser repeated with its request_id succeeds although its etag is stale by now", async () => {
  await using shop = await openShop();
  const ada = await shop.user();
  const request = { user: { ...ada, name: "Countess" }, requestId: randomUUID() };
  await shop.users.updateUser(request);
  const { user: latest } = await shop.users.updateUser({ user: { id: ada.id, name: "Lovelace" } });

  const repeated = await shop.users.updateUser(request);

  expect(repeated.user).toEqual(latest);
});

test("UpdateUser fails with ALREADY_EXISTS for an email that another user has", async () => {
  await using shop = await openShop();
  const [ada, eve] = [await shop.user(), await shop.user()];

  const failed = await failure(shop.users.updateUser({ user: { id: eve.id, email: ada.email } }));

  expect(failed).toMatchObject({ code: "AlreadyExists", reason: "EMAIL_TAKEN" });
});

test("UpdateUser with the mask * changes the email and the name", async () => {
  await using shop = await openShop();
  const ada = await shop.user();

  const { user } = await shop.users.updateUser({
    user: { id: ada.id, name: "Countess", email: "countess@example.com" },
    updateMask: { paths: ["*"] },
  });

  expect(user).toMatchObject({ name: "Countess", email: "countess@example.com" });
});

test("DeleteUser fails with ABORTED for a stale etag and changes nothing", async () => {
  await using shop = await openShop();
  const ada = await shop.user();
  const { user } = await shop.users.updateUser({ user: { id: ada.id, name: "Countess" } });

  const failed = await failure(shop.users.deleteUser({ id: ada.id, etag: ada.etag }));

  expect(failed).toEqual({ code: "Aborted", reason: "ETAG_MISMATCH", metadata: { id: ada.id, etag: '"2"' } });
  expect((await shop.users.getUser({ id: ada.id })).user).toEqual(user);
});

test("DeleteUser fails with FAILED_PRECONDITION for a user with orders", async () => {
  await using shop = await openShop();
  const order = await shop.order([await shop.product()]);

  const failed = await failure(shop.users.deleteUser({ id: order.userId }));

  expect(failed).toMatchObject({
    code: "FailedPrecondition",
    reason: "USER_HAS_ORDERS",
    subjects: [`commerce.user.v1.User/${order.userId}`],
  });
  expect((await shop.orders.getOrder({ id: order.id })).order).toEqual(order);
});

test("DeleteUser with force deletes the orders too and returns the stock of those that were not shipped", async () => {
  await using shop = await openShop();
  const [lamp, ada] = [await shop.product(100n), await shop.user()];
  const place = async (): Promise<string> => {
    const items = [{ productId: lamp.id, quantity: 10, unitPrice: price }];
    return (await shop.orders.createOrder({ userId: ada.id, items })).order!.id;
  };
  const [pending, shipped] = [await place(), await place()];
  await shop.orders.updateOrderStatus({ id: shipped, status: 2 });
  await shop.orders.updateOrderStatus({ id: shipped, status: 3 });

  await shop.users.deleteUser({ id: ada.id, force: true });

  expect(await failure(shop.users.getUser({ id: ada.id }))).toMatchObject({ code: "NotFound" });
  expect(await failure(shop.orders.getOrder({ id: pending }))).toMatchObject({ code: "NotFound" });
  expect((await shop.inventory.getProduct({ id: lamp.id })).product!.onHand).toBe(90n);
});

test("DeleteUser with force deletes up to 1000 orders with up to 10000 items", async () => {
  await using shop = await openShop();
  const { id } = await shop.user();
  await placeOrders(shop, id, 1_000, 10);

  const deleted = shop.users.deleteUser({ id, force: true });

  await expect(deleted).resolves.toBeDefined();
  expect(await failure(shop.users.getUser({ id }))).toMatchObject({ code: "NotFound" });
});

test.each([
  { orders: 1_001, items: 1 },
  { orders: 10, items: 1_001 },
])("DeleteUser with force changes nothing for $orders orders of $items items", async ({ orders, items }) => {
  await using shop = await openShop();
  const { id } = await shop.user();
  await placeOrders(shop, id, orders, items);
  const before = await shop.stored();

  const failed = await failure(shop.users.deleteUser({ id, force: true }));

  expect(failed).toMatchObject({
    code: "FailedPrecondition",
    reason: "TOO_MANY_ORDERS",
    subjects: [`commerce.user.v1.User/${id}`],
    metadata: { id },
  });
  expect(await shop.stored()).toEqual(before);
});

test("DeleteUser without force fails with USER_HAS_ORDERS however many there are", async () => {
  await using shop = await openShop();
  const { id } = await shop.user();
  await placeOrders(shop, id, 1_001, 1);

  const failed = await failure(shop.users.deleteUser({ id }));

  expect(failed).toMatchObject({ reason: "USER_HAS_ORDERS" });
});

test("DeleteUser repeated with its request_id succeeds, and without it fails with NOT_FOUND", async () => {
  await using shop = await openShop();
  const { id } = await shop.user();
  const requestId = randomUUID();
  await shop.users.deleteUser({ id, requestId });

  const repeated = shop.users.deleteUser({ id, requestId });

  await expect(repeated).resolves.toBeDefined();
  expect(await failure(shop.users.deleteUser({ id }))).toMatchObject({ code: "NotFound" });
});
