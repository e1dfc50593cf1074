import { randomUUID } from "node:crypto";
import { Code } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { createCommerceClient as createConnectClient } from "../../client/src/connect-node.ts";
import { createCommerceClient as createWebClient } from "../../client/src/connect-web.ts";
import { createCommerceClient as createGrpcClient } from "../../client/src/grpc.ts";
import {
  type CommerceClient,
  CommerceError,
  type CommittedChunk,
  type ImportSummary,
  OrderStatus,
  refusalOf,
} from "../../client/src/index.ts";
import { collect } from "../support/client.ts";
import { drafts, expectGapless, readViolations } from "../support/imports.ts";
import { openSeverable } from "../support/severed.ts";
import { line, openShop, type Shop } from "../support/shop.ts";

/** The ways into the service, and what opens a client on each. */
const ways: readonly [string, (shop: Shop) => CommerceClient & Partial<Disposable>][] = [
  ["gRPC", ({ grpcUrl }) => createGrpcClient({ baseUrl: grpcUrl })],
  ["Connect", ({ httpUrl }) => createConnectClient({ baseUrl: httpUrl })],
  ["Connect with JSON", ({ httpUrl }) => createConnectClient({ baseUrl: httpUrl, useBinaryFormat: false })],
  ["Connect over fetch", ({ httpUrl }) => createWebClient({ baseUrl: httpUrl })],
];

test.each(ways)(
  "over %s a user orders, is refused by a reason, and reads the order back",
  async (_, open) => {
    await using shop = await openShop();
    using stack = new DisposableStack();
    const client = open(shop);
    stack.defer(() => client[Symbol.dispose]?.());

    const { user } = await client.users.createUser({
      email: "ada@example.com",
      name: "Ada",
      password: "12345678",
    });
    const { product } = await client.inventory.createProduct({ name: "Lamp", onHand: 2n });
    const { order } = await client.orders.createOrder({ userId: user!.id, items: [line(product!)] });
    await client.orders.updateOrderStatus({ id: order!.id, status: OrderStatus.CONFIRMED });
    const refused: unknown = await client.orders
      .createOrder({ userId: user!.id, items: [line(product!, 9)] })
      .catch((error: unknown) => error);

    if (!(refused instanceof CommerceError) || refused.reason !== "INSUFFICIENT_STOCK") throw refused;
    expect([refused.code, refused.facts.productId, refused.attempts, refused.inDoubt]).toEqual([
      Code.FailedPrecondition,
      product!.id,
      1,
      false,
    ]);
    expect((await collect(client.users.list())).map(({ id }) => id)).toEqual([user!.id]);
    expect((await collect(client.inventory.list())).map(({ onHand }) => onHand)).toEqual([1n]);
    expect((await collect(client.orders.list({ userId: user!.id }))).map(({ id }) => id)).toEqual([
      order!.id,
    ]);
    const events = await collect(client.orders.events({ orderId: order!.id, pageSize: 1 }));
    expect(events.map(({ status }) => status)).toEqual([OrderStatus.PENDING, OrderStatus.CONFIRMED]);
  },
);

test.each(ways)("over %s an import says by reasons why rows were refused", async (_, open) => {
  await using shop = await openShop();
  using stack = new DisposableStack();
  const client = open(shop);
  stack.defer(() => client[Symbol.dispose]?.());
  const [ada, lamp] = [await shop.user(), await shop.product()];
  const orders = [...drafts(ada.id, lamp, 3), ...drafts(randomUUID(), lamp, 1)];

  const answers = await collect(client.orders.importOrders({ orders }));

  const refused = answers.flatMap(({ chunk }) => chunk!.refused);
  expect(refused.map((row) => [row.index, refusalOf(row).reason, refusalOf(row).code])).toEqual([
    [3n, "USER_NOT_FOUND", Code.NotFound],
  ]);
  expect((await collect(client.orders.list())).length).toBe(3);
});

test.each([
  ["gRPC", createGrpcClient, ({ server }: Shop) => server.grpc.port],
  ["Connect", createConnectClient, ({ server }: Shop) => server.http.port],
] as const)("over %s an order whose answer is lost is placed once", async (_, createClient, portOf) => {
  await using shop = await openShop();
  await using network = await openSeverable(portOf(shop));
  using client = createClient({ baseUrl: network.url });
  const [ada, lamp] = [await shop.user(), await shop.product(10n)];
  await client.users.getUser({ id: ada.id });

  network.hold();
  const placing = client.orders.createOrder({ userId: ada.id, items: [line(lamp, 2)] });
  await expect.poll(async () => (await shop.orders.listOrders({})).orders.length).toBe(1);
  network.cut();

  const { order } = await placing;
  const { orders } = await shop.orders.listOrders({});
  const { product } = await shop.inventory.getProduct({ id: lamp.id });
  expect([orders.map(({ id }) => id), product?.onHand]).toEqual([[order!.id], 8n]);
  expect(network.connections).toBe(2);
});

test("a connection that has died without a word is given up, and its call is made on another", async () => {
  await using shop = await openShop();
  await using network = await openSeverable(shop.server.grpc.port);
  using client = createGrpcClient({ baseUrl: network.url, pingIntervalMs: 50, pingTimeoutMs: 50 });
  const ada = await shop.user();
  await client.users.getUser({ id: ada.id });

  network.silence();
  const { user } = await client.users.getUser({ id: ada.id });

  expect([user?.id, network.connections]).toEqual([ada.id, 2]);
});

test("an ingest that is cut again and again places each order once", async () => {
  await using shop = await openShop();
  await using network = await openSeverable(shop.server.grpc.port);
  using client = createGrpcClient({ baseUrl: network.url, retry: { backoffMs: 1 } });
  const [ada, lamp] = [await shop.user(), await shop.product(1_000_000n)];
  const orders = drafts(ada.id, lamp, 50);
  const requests = async function* (): AsyncGenerator<{ orders: typeof orders }> {
    for (let n = 0; n < 100; n += 1) yield { orders };
  };
  const chunks: CommittedChunk[] = [];
  let summary: ImportSummary | undefined;

  for await (const { answer } of client.orders.ingestOrders(requests())) {
    if (answer.case === "summary") summary = answer.value;
    if (answer.case !== "chunk") continue;
    chunks.push(answer.value);
    if (chunks.length % 3 === 1) network.cut();
  }

  expect(expectGapless(chunks, 0n, 4_999n)).toBe(true);
  const { insertedCount, existingCount, refusedCount } = summary!;
  expect([insertedCount + existingCount, refusedCount]).toEqual([5_000n, 0n]);
  expect(network.connections).toBeGreaterThan(1);
  expect((await collect(client.orders.list({ pageSize: 1_000 }))).length).toBe(5_000);
  expect(await readViolations(shop)).toEqual([]);
});

test("an import of items that is cut adds each item once", async () => {
  await using shop = await openShop();
  await using network = await openSeverable(shop.server.grpc.port);
  using client = createGrpcClient({ baseUrl: network.url, retry: { backoffMs: 1 } });
  const lamp = await shop.product(1_000_000n);
  const orders = [await shop.order([lamp]), await shop.order([lamp])];
  const items = Array.from({ length: 1_900 }, (_, n) => ({ orderId: orders[n % 2]!.id, item: line(lamp) }));
  let isCut = false;

  for await (const { chunk } of client.orders.importOrderItems({ items })) {
    expect(chunk?.refused).toEqual([]);
    if (!isCut) network.cut();
    isCut = true;
  }

  const counts = (await collect(client.orders.list())).map(({ itemCount }) => itemCount);
  expect(counts).toEqual([951, 951]);
  expect(await readViolations(shop)).toEqual([]);
});

test("an import that is left is ended at the service, too", async () => {
  await using shop = await openShop();
  using client = createGrpcClient({ baseUrl: shop.grpcUrl });
  const [ada, lamp] = [await shop.user(), await shop.product(1_000_000n)];
  const endless = async function* () {
    for (;;) yield { orders: drafts(ada.id, lamp, 50) };
  };

  for await (const { answer } of client.orders.ingestOrders(endless())) {
    expect(answer.case).toBe("chunk");
    break;
  }

  const count = async () => (await collect(client.orders.list({ pageSize: 1_000 }))).length;
  // What is being written when the call ends may be committed.
  await expect.poll(async () => (await count()) === (await count())).toBe(true);
});

test("a client that is closed ends its connection, and a later call opens another", async () => {
  await using shop = await openShop();
  await using network = await openSeverable(shop.server.grpc.port);
  using client = createGrpcClient({ baseUrl: network.url });
  const ada = await shop.user();

  await client.users.getUser({ id: ada.id });
  client.close();
  await client.users.getUser({ id: ada.id });

  expect(network.connections).toBe(2);
});
