import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, expect, test } from "vitest";
import { OrderService, OrderStatus, OrderView } from "../../src/gen/commerce/order/v1/order_service_pb.ts";
import { startServer } from "../../src/server.ts";
import { failure } from "../support/errors.ts";
import { openShop } from "../support/shop.ts";

const shop = await openShop();
afterAll(() => shop[Symbol.asyncDispose]());
const [ada, , lamp] = [await shop.user(), await shop.user(), await shop.product(), await shop.product()];
const [first, second] = [await shop.order([lamp], 1, ada.id), await shop.order([lamp], 1, ada.id)];
await shop.orders.batchUpdateOrderStatuses({
  changes: [first, second].map(({ id }) => ({ id, status: OrderStatus.CONFIRMED })),
});

/** A page of one entry and, if nothing else is asked for, one more behind it. */
const lists = {
  ListUsers: (change: { pageToken?: string }) => shop.users.listUsers({ pageSize: 1, ...change }),
  ListProducts: (change: { pageToken?: string }) => shop.inventory.listProducts({ pageSize: 1, ...change }),
  ListOrders: (change: Partial<Parameters<typeof shop.orders.listOrders>[0]>) =>
    shop.orders.listOrders({ pageSize: 1, userId: ada.id, ...change } as never),
  ListOrderEvents: (change: { pageToken?: string }) =>
    shop.orders.listOrderEvents({ pageSize: 1, orderId: first.id, ...change }),
};
const names = Object.keys(lists) as (keyof typeof lists)[];

/** What is no token of a list, made of one that is. */
const spoil: Record<string, (token: string) => string> = {
  "of garbage": () => "garbage",
  "of zeros": (token) => "A".repeat(token.length),
  "that is cut short": (token) => token.slice(0, -2),
  "that is longer": (token) => `${token}AA`,
  "in padded base64": (token) => `${token}=`,
  "with another cursor": (token) => (token.startsWith("A") ? "B" : "A") + token.slice(1),
  "with another signature": (token) =>
    token.slice(0, -3) + (token.at(-3) === "A" ? "B" : "A") + token.slice(-2),
  "with its last bits set": (token) =>
    token.slice(0, -1) + String.fromCharCode(token.charCodeAt(token.length - 1) + 1),
  "with NUL in it": (token) => `${token}\0`,
  "of 513 characters": () => "A".repeat(513),
};

test.each(names.flatMap((name) => Object.keys(spoil).map((kind) => ({ name, kind }))))(
  "$name fails with INVALID_ARGUMENT naming page_token for a token $kind",
  async ({ name, kind }) => {
    const { nextPageToken } = await lists[name]({});

    const failed = await failure(lists[name]({ pageToken: spoil[kind]!(nextPageToken) }));

    expect(failed).toMatchObject({ code: "InvalidArgument", fields: ["page_token"] });
  },
);

test.each(names.flatMap((name) => names.filter((other) => other !== name).map((other) => ({ name, other }))))(
  "$name fails with INVALID_ARGUMENT naming page_token for a token of $other",
  async ({ name, other }) => {
    const { nextPageToken } = await lists[other]({});

    const failed = await failure(lists[name]({ pageToken: nextPageToken }));

    expect(failed).toEqual({ code: "InvalidArgument", reason: "INVALID_PAGE_TOKEN", fields: ["page_token"] });
  },
);

const status = OrderStatus.CONFIRMED;
test.each([
  ["user_id", () => lists.ListOrders({}), { userId: lamp.id }],
  ["user_id left out", () => lists.ListOrders({}), { userId: "" }],
  ["status added", () => lists.ListOrders({}), { status }],
  ["status", () => lists.ListOrders({ status }), { status: OrderStatus.PENDING }],
  ["status left out", () => lists.ListOrders({ status }), {}],
  ["user_id for a status", () => lists.ListOrders({}), { userId: "", status }],
] as const)(
  "ListOrders fails with INVALID_ARGUMENT naming page_token for another %s",
  async (_, list, change) => {
    const { nextPageToken } = await list();

    const failed = await failure(lists.ListOrders({ ...change, pageToken: nextPageToken }));

    expect(failed).toEqual({ code: "InvalidArgument", reason: "INVALID_PAGE_TOKEN", fields: ["page_token"] });
  },
);

test("ListOrderEvents fails with INVALID_ARGUMENT naming page_token for another order_id", async () => {
  const { nextPageToken } = await lists.ListOrderEvents({});

  const failed = await failure(shop.orders.listOrderEvents({ orderId: second.id, pageToken: nextPageToken }));

  expect(failed).toEqual({ code: "InvalidArgument", reason: "INVALID_PAGE_TOKEN", fields: ["page_token"] });
});

test("ListOrders goes on with another page_size and view", async () => {
  const { nextPageToken } = await lists.ListOrders({ userId: ada.id.toUpperCase() });

  const next = await lists.ListOrders({ pageToken: nextPageToken, pageSize: 2, view: OrderView.FULL });

  expect(next.orders[0]).toMatchObject({ id: first.id, items: first.items });
});

test("a page token is valid on each server of one database, and after all of them have stopped", async () => {
  await using own = await openShop();
  const userId = (await own.user()).id;
  const ids = (await own.manyOrders(userId, 3)).toSorted().toReversed();
  const listOn = (port: number, pageToken: string) =>
    createClient(OrderService, createGrpcTransport({ baseUrl: `http://127.0.0.1:${port}` })).listOrders({
      userId,
      pageSize: 1,
      pageToken,
    });
  const firstPage = await listOn(own.server.grpc.port, "");

  const replica = await startServer(own.config);
  const secondPage = await listOn(replica.grpc.port, firstPage.nextPageToken);
  await Promise.all([replica.stop(), own.server.stop()]);
  await using restarted = await startServer(own.config);
  const thirdPage = await listOn(restarted.grpc.port, secondPage.nextPageToken);

  expect([firstPage, secondPage, thirdPage].map(({ orders }) => orders[0]!.id)).toEqual(ids);
  expect(thirdPage.nextPageToken).toBe("");
});
