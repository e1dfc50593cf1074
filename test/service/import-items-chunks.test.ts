import { randomUUID } from "node:crypto";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import {
  OrderStatus,
  type ImportOrderItemsResponse,
} from "../../src/gen/commerce/order/v1/order_service_pb.ts";
import { toFailure } from "../support/errors.ts";
import { givenOrders, readAll, readViolations, summarize } from "../support/imports.ts";
import { once, startProxy } from "../support/proxy.ts";
import { line, openShop } from "../support/shop.ts";

const chunksOf = (read: readonly ImportOrderItemsResponse[]) => read.map(({ chunk }) => chunk);

test("ImportOrderItems keeps the items of an order in one chunk, where they stand together", async () => {
  await using shop = await openShop();
  const { lamp, ids } = await givenOrders(shop, 900);
  const items = ids.flatMap((orderId) => Array.from({ length: 5 }, () => ({ orderId, item: line(lamp) })));

  const { read } = await readAll(shop.orders.importOrderItems({ items }));

  const chunks = chunksOf(read);
  expect(chunks.length).toBeGreaterThan(2);
  expect(chunks.map((chunk) => (chunk!.lastIndex + 1n) % 5n)).toEqual(chunks.map(() => 0n));
  expect(summarize(chunks).inserted).toBe(4_500);
  expect(await readViolations(shop)).toEqual([]);
});

test("imports of items to the same orders, at once, lose nothing and count nothing twice", async () => {
  await using shop = await openShop();
  const { lamp, ids } = await givenOrders(shop, 20);
  const items = Array.from({ length: 400 }, (_, n) => ({ orderId: ids[n % 20]!, item: line(lamp) }));
  const requestId = randomUUID();
  const imports = [requestId, requestId, randomUUID()].map((id) =>
    readAll(shop.orders.importOrderItems({ items, requestId: id })),
  );

  const all = await Promise.all(imports);
  const superseded = all.filter(({ error }) => error !== undefined);
  const ended = all.map(({ read }) => summarize(chunksOf(read)));

  // Of two attempts at one import the later one goes on.
  expect(superseded.length).toBeLessThan(2);
  for (const { error } of superseded) expect(toFailure(error)).toMatchObject({ reason: "IMPORT_SUPERSEDED" });
  const answered = ended.map(({ inserted, existing }) => inserted + existing);
  expect(answered.filter((rows) => rows === 400)).toHaveLength(3 - superseded.length);
  expect(ended.reduce((sum, { inserted }) => sum + inserted, 0)).toBe(800);
  expect((await shop.orders.getOrder({ id: ids[0]! })).order!.itemCount).toBe(1 + 2 * 20);
  expect(await readViolations(shop)).toEqual([]);
});

test("ImportOrderItems does not wait for the locks of its own attempt whose connection was lost", async () => {
  await using shop = await openShop({}, { through: startProxy });
  const { lamp, ids } = await givenOrders(shop, 1);
  shop.proxy.decide = once("orders.add_items", { kind: "orphan" });

  const items = [{ orderId: ids[0]!, item: line(lamp) }];
  // The server would end a session that nobody is at the other end of after minutes.
  const { read, error } = await readAll(shop.orders.importOrderItems({ items }, { timeoutMs: 5_000 }));

  expect(error).toBeUndefined();
  // The statement had happened.
  expect(summarize(chunksOf(read))).toMatchObject({ inserted: 0, existing: 1 });
  expect([...shop.proxy.injected]).toEqual([["orphan", 1]]);
});

test("ImportOrderItems has times that do not lie before those of a change in between", async () => {
  await using shop = await openShop({}, { through: startProxy });
  const { lamp, ids } = await givenOrders(shop, 1);
  const [id] = ids as [string];
  shop.proxy.decide = once("orders.add_items", { kind: "delay", ms: 200 });

  const added = readAll(shop.orders.importOrderItems({ items: [{ orderId: id, item: line(lamp) }] }));
  await expect.poll(() => shop.proxy.injected.get("delay")).toBe(1);
  await shop.orders.updateOrderStatus({ id, status: OrderStatus.CONFIRMED });
  await added;

  const { events } = await shop.orders.listOrderEvents({ orderId: id });
  const times = events.map(({ createTime }) => timestampMs(createTime!));
  expect(events.map(({ version }) => version)).toEqual([1n, 2n, 3n]);
  expect(times).toEqual(times.toSorted((a, b) => a - b));
});
