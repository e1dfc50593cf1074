import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { OrderStatus } from "../../src/gen/commerce/order/v1/order_service_pb.ts";
import { failure, toFailure } from "../support/errors.ts";
import { readAll, summarize } from "../support/imports.ts";
import { once, startProxy } from "../support/proxy.ts";
import { openShop, price, type Shop } from "../support/shop.ts";

const methods = ["CreateOrder", "ImportOrders"] as const;

/** Five pieces of a product, and how one fails to buy all of them by a method. */
async function givenStock(shop: Shop, method: (typeof methods)[number]) {
  const [ada, lamp] = [await shop.user(), await shop.product(5n)];
  const toOrder = (quantity: number) => ({
    userId: ada.id,
    items: [{ productId: lamp.id, quantity, unitPrice: price }],
  });
  const buyOne = () => shop.orders.createOrder({ ...toOrder(1), requestId: randomUUID() });
  const failToBuyAll = async (requestId: string, timeoutMs = 10_000) => {
    const order = toOrder(5);
    if (method === "CreateOrder")
      return failure(shop.orders.createOrder({ ...order, requestId }, { timeoutMs }));
    const { read, error } = await readAll(
      shop.orders.importOrders({ orders: [order], requestId }, { timeoutMs }),
    );
    if (error !== undefined) return toFailure(error);
    return { code: undefined, reason: summarize(read.map(({ chunk }) => chunk)).refused[0] };
  };
  return { ada, lamp, buyOne, failToBuyAll };
}

test.each(methods)("a refused repetition of %s whose caller had left stays refused", async (method) => {
  await using shop = await openShop({}, { through: startProxy });
  const { ada, lamp, buyOne, failToBuyAll } = await givenStock(shop, method);
  const mine = randomUUID();
  shop.proxy.decide = once("orders.create", { kind: "delay", ms: 250 });

  const left = await failToBuyAll(mine, 80);
  const other = await buyOne();
  const refused = await failToBuyAll(mine);
  await shop.orders.updateOrderStatus({ id: other.order!.id, status: OrderStatus.CANCELLED });
  // Past the delay: what was held back has reached the server, if it could.
  await delay(400);

  expect([left.code, refused.reason]).toEqual(["DeadlineExceeded", "INSUFFICIENT_STOCK"]);
  expect((await shop.inventory.getProduct({ id: lamp.id })).product!.onHand).toBe(5n);
  expect((await shop.orders.listOrders({ userId: ada.id })).orders).toHaveLength(1);
});

test.each(methods)("a refused repetition of %s that was given up in doubt stays refused", async (method) => {
  await using shop = await openShop({}, { through: startProxy });
  const { ada, lamp, buyOne, failToBuyAll } = await givenStock(shop, method);
  const mine = randomUUID();
  // The database hears of the order later, and meanwhile nothing else gets through.
  const late = once("orders.create", { kind: "late", ms: 1_500 });
  shop.proxy.decide = (exchange) => late(exchange) ?? { kind: "cut_before" };

  const doubtful = await failToBuyAll(mine, 1_000);
  shop.proxy.decide = () => undefined;
  const other = await buyOne();
  const refused = await failToBuyAll(mine);
  await shop.orders.updateOrderStatus({ id: other.order!.id, status: OrderStatus.CANCELLED });
  await delay(1_500);

  // Which of the two depends on who looks at the clock first.
  expect(["Unavailable", "DeadlineExceeded"]).toContain(doubtful.code);
  expect(refused.reason).toBe("INSUFFICIENT_STOCK");
  expect((await shop.inventory.getProduct({ id: lamp.id })).product!.onHand).toBe(5n);
  expect((await shop.orders.listOrders({ userId: ada.id })).orders).toHaveLength(1);
});
