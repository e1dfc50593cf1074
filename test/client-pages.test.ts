import { setImmediate as nextTurn } from "node:timers/promises";
import { Code, type HandlerContext } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { createCommerceClient, type ListUsersRequest } from "../client/src/index.ts";
import { createError } from "../src/errors.ts";
import { toConnectError } from "../src/rpc/status.ts";
import { collect, play } from "./support/client.ts";

/** A list of numbered users, two a page, and which pages were asked for. */
function numbered(pages: number) {
  const asked: string[] = [];
  const listUsers = ({ pageToken }: ListUsersRequest) => {
    asked.push(pageToken);
    const page = Number(pageToken || "1");
    const users = [2 * page - 1, 2 * page].map((n) => ({ id: String(n) }));
    return { users, nextPageToken: page < pages ? String(page + 1) : "" };
  };
  return { asked, client: createCommerceClient({ transport: play({ users: { listUsers } }) }) };
}

test("a list yields the items of all pages in their order", async () => {
  const { client } = numbered(3);

  const ids = (await collect(client.users.list())).map(({ id }) => id);

  expect(ids).toEqual(["1", "2", "3", "4", "5", "6"]);
});

test("one page is read ahead, and no more", async () => {
  const { client, asked } = numbered(5);
  const list = client.users.list()[Symbol.asyncIterator]();

  await list.next();
  await nextTurn();
  await nextTurn();
  expect(asked).toEqual(["", "2"]);

  await list.next();
  await list.next();
  await nextTurn();
  expect(asked).toEqual(["", "2", "3"]);
});

test("a list goes on from the page token of its request, with what else it asks for", async () => {
  const seen: unknown[] = [];
  const listOrders = ({
    userId,
    pageSize,
    pageToken,
  }: {
    userId: string;
    pageSize: number;
    pageToken: string;
  }) => {
    seen.push([userId, pageSize, pageToken]);
    return { orders: [], nextPageToken: pageToken === "b" ? "c" : "" };
  };
  const client = createCommerceClient({ transport: play({ orders: { listOrders } }) });

  const orders = await collect(client.orders.list({ userId: "ada", pageSize: 7, pageToken: "b" }));

  expect(orders).toEqual([]);
  expect(seen).toEqual([
    ["ada", 7, "b"],
    ["ada", 7, "c"],
  ]);
});

test("a list that is left gives up the page that is under way", async () => {
  const begun = Promise.withResolvers<void>();
  let isLeft = false;
  const listUsers = async ({ pageToken }: ListUsersRequest, { signal }: HandlerContext) => {
    if (pageToken === "") return { users: [{ id: "1" }], nextPageToken: "2" };
    signal.addEventListener("abort", () => (isLeft = true));
    begun.resolve();
    return new Promise<never>(() => {});
  };
  const client = createCommerceClient({ transport: play({ users: { listUsers } }) });

  for await (const { id } of client.users.list({}, { timeoutMs: 0 })) {
    expect(id).toBe("1");
    await begun.promise;
    break;
  }

  await expect.poll(() => isLeft).toBe(true);
});

test("a page that cannot be read ends the list, after the items before it", async () => {
  const listUsers = ({ pageToken }: ListUsersRequest) => {
    if (pageToken === "") return { users: [{ id: "1" }, { id: "2" }], nextPageToken: "2" };
    throw toConnectError(createError("INVALID_PAGE_TOKEN", "no token of this list"));
  };
  const client = createCommerceClient({ transport: play({ users: { listUsers } }) });
  const ids: string[] = [];

  const failed = (async () => {
    for await (const { id } of client.users.list()) {
      ids.push(id);
      await nextTurn();
    }
  })();

  await expect(failed).rejects.toMatchObject({ reason: "INVALID_PAGE_TOKEN", code: Code.InvalidArgument });
  expect(ids).toEqual(["1", "2"]);
});

test("products and events are lists, too", async () => {
  const client = createCommerceClient({
    transport: play({
      inventory: { listProducts: () => ({ products: [{ id: "lamp" }] }) },
      orders: { listOrderEvents: ({ orderId }) => ({ events: [{ version: BigInt(orderId) }] }) },
    }),
  });

  const products = await collect(client.inventory.list());
  const events = await collect(client.orders.events({ orderId: "7" }));

  expect([products[0]?.id, events[0]?.version]).toEqual(["lamp", 7n]);
});
