import { randomUUID } from "node:crypto";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { expect, test } from "vitest";
import { OrderService, OrderStatus } from "../../src/gen/commerce/order/v1/order_service_pb.ts";
import { startServer } from "../../src/server.ts";
import { failure } from "../support/errors.ts";
import { holdProduct } from "../support/locks.ts";
import { line, openShop } from "../support/shop.ts";

test("a locked product holds up those who order it and no others, whatever they were sent with", async () => {
  await using shop = await openShop();
  const [ada, locked] = [await shop.user(), await shop.product()];
  const others = await Promise.all(Array.from({ length: 4 }, () => shop.product()));
  const place = (product: typeof locked, timeoutMs: number) =>
    shop.orders.createOrder({ userId: ada.id, items: [line(product)] }, { timeoutMs });
  await using _ = await holdProduct(shop, locked);

  const first = failure(place(locked, 3_000));
  const waiting = Array.from({ length: 5 }, () => failure(place(locked, 3_000)));
  const placed = await Promise.all(others.flatMap((other) => [place(other, 10_000), place(other, 10_000)]));

  expect(placed).toHaveLength(8);
  const codes = (await Promise.all([first, ...waiting])).map(({ code }) => code);
  expect(codes).toEqual(codes.map(() => "DeadlineExceeded"));
});

test("a cancellation that waits for a product holds up no other change of a status", async () => {
  await using shop = await openShop();
  const [lamp, chair] = [await shop.product(), await shop.product()];
  const [lamps, chairs, desk] = await Promise.all([
    shop.order([lamp]),
    shop.order([chair]),
    shop.order([chair]),
  ]);
  const change = (id: string, status: OrderStatus, timeoutMs: number) =>
    shop.orders.updateOrderStatus({ id, status }, { timeoutMs });
  await using _ = await holdProduct(shop, lamp);

  const waiting = failure(change(lamps.id, OrderStatus.CANCELLED, 2_000));
  const changed = await Promise.all([
    change(chairs.id, OrderStatus.CANCELLED, 10_000),
    change(desk.id, OrderStatus.CONFIRMED, 10_000),
  ]);

  expect(changed.map(({ order }) => order!.status)).toEqual([OrderStatus.CANCELLED, OrderStatus.CONFIRMED]);
  expect((await waiting).code).toBe("DeadlineExceeded");
});

// The first leaves before its set is late, the second would wait for longer than a set may be late.
test.each([50, 400])(
  "an order that was given up after %d ms and refused at another replica is not placed later",
  async (timeoutMs) => {
    await using shop = await openShop();
    await using other = await startServer(shop.config);
    const elsewhere = createClient(
      OrderService,
      createGrpcTransport({ baseUrl: `http://127.0.0.1:${other.grpc.port}` }),
    );
    const [ada, scarce, locked] = [await shop.user(), await shop.product(0n), await shop.product()];
    const order = (product: typeof scarce) => ({
      userId: ada.id,
      items: [line(product)],
      requestId: randomUUID(),
    });
    const wanted = order(scarce);
    const held = await holdProduct(shop, locked);
    const wait = () => shop.orders.createOrder(order(locked), { timeoutMs: 10_000 });

    // The first two take the places of the batcher, so that the next two share a set.
    const waiting = [wait(), wait()];
    const given = failure(shop.orders.createOrder(wanted, { timeoutMs }));
    waiting.push(wait());
    await given;
    const refused = await failure(elsewhere.createOrder(wanted));
    await shop.inventory.adjustStock({ productId: scarce.id, delta: 1n });
    await held[Symbol.asyncDispose]();
    await Promise.all(waiting);

    expect(refused.reason).toBe("INSUFFICIENT_STOCK");
    expect((await shop.inventory.getProduct({ id: scarce.id })).product!.onHand).toBe(1n);
  },
);
