import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { OrderStatus } from "../../src/gen/commerce/order/v1/order_service_pb.ts";
import { failure } from "../support/errors.ts";
import { once, startProxy } from "../support/proxy.ts";
import { openShop, price, type Shop } from "../support/shop.ts";

/** Five pieces of a product, and how one buys some of them. */
async function givenStock(shop: Shop) {
  const [ada, lamp] = [await shop.user(), await shop.product(5n)];
  const place = (quantity: number, requestId: string, timeoutMs = 10_000) =>
    shop.orders.createOrder(
      { userId: ada.id, items: [{ productId: lamp.id, quantity, unitPrice: price }], requestId },
      { timeoutMs },
    );
  return { ada, lamp, place };
}

test("a refused repetition of a call whose caller had left stays refused", async () => {
  await using shop = await openShop({}, { through: startProxy });
  const { ada, lamp, place } = await givenStock(shop);
  const mine = randomUUID();
  shop.proxy.decide = once("orders.create", { kind: "delay", ms: 250 });

  const left = await failure(place(5, mine, 80));
  const other = await place(1, randomUUID());
  const refused = await failure(place(5, mine));
  await shop.orders.updateOrderStatus({ id: other.order!.id, status: OrderStatus.CANCELLED });
  // Past the delay: what was held back has reached the server, if it could.
  await delay(400);

  expect([left.code, refused.reason]).toEqual(["DeadlineExceeded", "INSUFFICIENT_STOCK"]);
  expect((await shop.inventory.getProduct({ id: lamp.id })).product!.onHand).toBe(5n);
  expect((await shop.orders.listOrders({ userId: ada.id })).orders).toHaveLength(1);
});

test("a refused repetition of a call that was given up in doubt stays refused", async () => {
  await using shop = await openShop({}, { through: startProxy });
  const { ada, lamp, place } = await givenStock(shop);
  const mine = randomUUID();
  // The database hears of the order later, and meanwhile nothing else gets through.
  const late = once("orders.create", { kind: "late", ms: 1_500 });
  shop.proxy.decide = (exchange) => late(exchange) ?? { kind: "cut_before" };

  const doubtful = await failure(place(5, mine, 1_000));
  shop.proxy.decide = () => undefined;
  const other = await place(1, randomUUID());
  const refused = await failure(place(5, mine));
  await shop.orders.updateOrderStatus({ id: other.order!.id, status: OrderStatus.CANCELLED });
  await delay(1_500);

  // Which of the two depends on who looks at the clock first.
  expect(["Unavailable", "DeadlineExceeded"]).toContain(doubtful.code);
  expect(refused.reason).toBe("INSUFFICIENT_STOCK");
  expect((await shop.inventory.getProduct({ id: lamp.id })).product!.onHand).toBe(5n);
  expect((await shop.orders.listOrders({ userId: ada.id })).orders).toHaveLength(1);
});
