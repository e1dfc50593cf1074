import { afterAll, expect, test } from "vitest";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import {
  OrderService,
  OrderStatus,
  OrderView,
  StockPolicy,
} from "../../src/gen/commerce/order/v1/order_service_pb.ts";
import { readAll } from "../support/imports.ts";
import { line, openShop, price } from "../support/shop.ts";

const shop = await openShop();
afterAll(() => shop[Symbol.asyncDispose]());
const [ada, lamp] = [await shop.user(), await shop.product()];

type Request = Parameters<typeof shop.orders.listOrders>[0];

/** The ids of each page of a list of orders, up to its end. */
async function readPages(request: Request, onPage?: () => Promise<unknown>): Promise<string[][]> {
  const pages: string[][] = [];
  for (let pageToken = ""; ;) {
    const page = await shop.orders.listOrders({ ...request, pageToken });
    pages.push(page.orders.map(({ id }) => id));
    await onPage?.();
    pageToken = page.nextPageToken;
    if (pageToken === "") return pages;
  }
}

function newestFirst(ids: readonly string[]): string[] {
  return ids.toSorted().toReversed();
}

async function confirm(ids: readonly string[]): Promise<void> {
  const changes = ids.map((id) => ({ id, status: OrderStatus.CONFIRMED }));
  await shop.orders.batchUpdateOrderStatuses({ changes });
}

test("ListOrders returns each order once, also if all were placed in one instant", async () => {
  const user = await shop.user();
  const ids = newestFirst(await shop.manyOrders(user.id, 7));

  const pages = await readPages({ userId: user.id, pageSize: 3 });

  expect(pages).toEqual([ids.slice(0, 3), ids.slice(3, 6), ids.slice(6)]);
});

test("ListOrders ends with a page that is full", async () => {
  const user = await shop.user();
  const ids = newestFirst(await shop.manyOrders(user.id, 4));

  const pages = await readPages({ userId: user.id, pageSize: 2 });

  expect(pages).toEqual([ids.slice(0, 2), ids.slice(2)]);
});

test("ListOrders returns the orders of a user, in a status, and both", async () => {
  const [grace, eve] = [await shop.user(), await shop.user()];
  const [confirmed, pending] = [
    newestFirst(await shop.manyOrders(grace.id, 3)),
    await shop.manyOrders(grace.id, 2),
  ];
  const others = newestFirst(await shop.manyOrders(eve.id, 3));
  await confirm([...confirmed, ...others]);
  const status = OrderStatus.CONFIRMED;

  const ofUser = await readPages({ userId: grace.id.toUpperCase(), pageSize: 2 });
  const inStatus = await readPages({ status, pageSize: 2 });
  const both = await readPages({ userId: grace.id, status, pageSize: 2 });

  expect(ofUser.flat()).toEqual([...newestFirst(pending), ...confirmed]);
  expect(inStatus.flat()).toEqual([...others, ...confirmed]);
  expect(both.flat()).toEqual(confirmed);
});

test("ListOrders of a user who does not exist returns an empty page", async () => {
  const page = await shop.orders.listOrders({ userId: lamp.id });

  expect(page).toMatchObject({ orders: [], nextPageToken: "" });
});

test("ListOrders returns what was there throughout exactly once while others are placed", async () => {
  const user = await shop.user();
  const ids = await shop.manyOrders(user.id, 20);
  const interfere = () =>
    Promise.all([shop.manyOrders(user.id, 2), shop.order([lamp], 1, user.id), shop.manyOrders(ada.id, 1)]);

  const pages = await readPages({ userId: user.id, pageSize: 3 }, interfere);

  expect(pages.flat().filter((id) => ids.includes(id))).toEqual(newestFirst(ids));
});

test("ListOrders in the FULL view returns as many orders as are asked for if their items are few", async () => {
  const user = await shop.user();
  const order = await shop.order([lamp], 1, user.id);
  const ids = newestFirst(await shop.manyOrders(user.id, 998));

  const pages = await readPages({ userId: user.id, pageSize: 999, view: OrderView.FULL });

  expect(pages).toEqual([[...ids, order.id]]);
});

test("ListOrders in the FULL view returns each order once, in pages that fit into a message", async () => {
  const user = await shop.user();
  const units = 999_999_999n;
  const items = Array.from({ length: 1_000 }, () => line(lamp, 1_000, { ...price, units }));
  const orders = Array.from({ length: 25 }, () => ({
    userId: user.id,
    items,
    stockPolicy: StockPolicy.NONE,
  }));
  await readAll(shop.orders.importOrders({ orders }));
  const basic = await readPages({ userId: user.id });
  const json = createConnectTransport({ baseUrl: shop.httpUrl, httpVersion: "1.1" });

  const pages = await readPages({ userId: user.id, pageSize: 1_000, view: OrderView.FULL });
  const { orders: asJson } = await createClient(OrderService, json).listOrders({
    userId: user.id,
    pageSize: 1_000,
    view: OrderView.FULL,
  });

  expect(pages.map(({ length }) => length)).toEqual([10, 10, 5]);
  expect(pages.flat()).toEqual(basic.flat());
  expect(asJson.map((order) => order.items.length)).toEqual(Array.from({ length: 10 }, () => 1_000));
});

test("page_size is 50 if zero and coerced to 1000 if more", async () => {
  const user = await shop.user();
  await shop.manyOrders(user.id, 1_001);

  const usual = await shop.orders.listOrders({ userId: user.id });
  const largest = await shop.orders.listOrders({ userId: user.id, pageSize: 2 ** 31 - 1 });

  expect([usual.orders.length, largest.orders.length]).toEqual([50, 1_000]);
  expect(largest.nextPageToken).not.toBe("");
});
