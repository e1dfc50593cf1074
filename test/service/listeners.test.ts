import { randomUUID } from "node:crypto";
import { createClient, type Transport } from "@connectrpc/connect";
import { compressionGzip, createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { InventoryService } from "../../src/gen/commerce/inventory/v1/inventory_service_pb.ts";
import { OrderService } from "../../src/gen/commerce/order/v1/order_service_pb.ts";
import { UserService } from "../../src/gen/commerce/user/v1/user_service_pb.ts";
import { failure } from "../support/errors.ts";
import { line, openShop, type Shop } from "../support/shop.ts";
import { bufCurl, ways, WAYS } from "../support/ways.ts";

const getUser = "/commerce.user.v1.UserService/GetUser";

/** One for all tests of this file: each makes the users and products that it needs. */
let shop: Shop;

beforeAll(async () => {
  shop = await openShop();
});

afterAll(async () => {
  await shop[Symbol.asyncDispose]();
});

/** What a caller sees who signs up, buys twice, asks for more than there is and pages through the orders. */
async function tellStory(transport: Transport) {
  const users = createClient(UserService, transport);
  const orders = createClient(OrderService, transport);
  const inventory = createClient(InventoryService, transport);
  const email = `${randomUUID()}@example.com`;
  const password = "correct horse";

  const { user } = await users.createUser({ email, name: "Ada Lovelace ✓", password });
  const { product } = await inventory.createProduct({ name: "Lamp", onHand: 5n });
  const userId = user!.id;
  const { order } = await orders.createOrder({ userId, items: [line(product!, 2), line(product!, 1)] });
  const { order: latest } = await orders.createOrder({ userId, items: [line(product!, 1)] });
  const got = await orders.getOrder({ id: order!.id });
  const refusal = orders.createOrder({ userId, items: [line(product!, 2)] });
  const refused = await failure(refusal);
  const { rawMessage } = (await refusal.catch((error: unknown) => error)) as { rawMessage: string };
  const first = await orders.listOrders({ userId, pageSize: 1 });
  const second = await orders.listOrders({ userId, pageSize: 1, pageToken: first.nextPageToken });
  return { email, user, product, order, latest, got, refused, rawMessage, first, second };
}

test.each(ways)("answers the same over %s", async (way) => {
  const story = await tellStory(WAYS[way](shop));

  const { order, latest } = story;
  const productName = `commerce.inventory.v1.Product/${story.product!.id}`;
  expect(story).toMatchObject({
    user: { email: story.email, name: "Ada Lovelace ✓", etag: '"1"' },
    product: { name: "Lamp", onHand: 5n },
    order: {
      userId: story.user!.id,
      total: { currencyCode: "EUR", units: 29n, nanos: 970_000_000 },
      itemCount: 2,
    },
    latest: { total: { units: 9n, nanos: 990_000_000 } },
    got: { order },
    refused: { code: "FailedPrecondition", reason: "INSUFFICIENT_STOCK", subjects: [productName] },
    rawMessage: expect.stringContaining(story.product!.id),
    first: { orders: [{ id: latest!.id, items: [] }], nextPageToken: expect.stringMatching(/.+/) },
    second: { orders: [{ id: order!.id, items: [] }], nextPageToken: "" },
  });
});

test("serves reads by plain GET, and refuses changes by GET", async () => {
  const { id } = await shop.user();
  const query = (message: object) => `encoding=json&message=${encodeURIComponent(JSON.stringify(message))}`;

  const read = await fetch(`${shop.httpUrl}${getUser}?${query({ id })}`);
  const write = await fetch(`${shop.httpUrl}/commerce.user.v1.UserService/DeleteUser?${query({ id })}`);

  expect(await read.json()).toMatchObject({ user: { id } });
  expect(write.status).toBe(405);
});

test("buf curl lists the services and, by either reflection, the methods", async () => {
  const services = await bufCurl("--list-services", shop.grpcUrl);
  const methods = await Promise.all(
    ["grpc-v1", "grpc-v1alpha"].map((protocol) =>
      bufCurl("--reflect-protocol", protocol, "--list-methods", shop.grpcUrl),
    ),
  );

  expect(services.stdout.trim().split("\n")).toEqual([
    InventoryService.typeName,
    OrderService.typeName,
    UserService.typeName,
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
  ]);
  const ours = [InventoryService, OrderService, UserService].flatMap((service) =>
    service.methods.map(({ name }) => `${service.typeName}/${name}`).toSorted(),
  );
  for (const { stdout } of methods)
    expect(stdout.split("\n").filter((name) => name.startsWith("commerce."))).toEqual(ours);
});

test.each(["grpc-v1", "grpc-v1alpha"])("buf curl calls by reflection %s", async (protocol) => {
  const { id } = await shop.user();

  const { stdout } = await bufCurl(
    "--reflect-protocol",
    protocol,
    "-d",
    JSON.stringify({ id }),
    shop.grpcUrl + getUser,
  );

  expect(JSON.parse(stdout)).toMatchObject({ user: { id } });
});

test("buf curl prints the details of an error and exits with its code", async () => {
  const { code, stdout, stderr } = await bufCurl("-d", '{"id":"nonsense"}', shop.grpcUrl + getUser);

  // Eight times the gRPC code: INVALID_ARGUMENT is 3.
  expect([code, stdout]).toEqual([24, ""]);
  expect(JSON.parse(stderr)).toMatchObject({
    code: "invalid_argument",
    message: "id: must be a valid UUID",
    details: [{ type: "google.rpc.ErrorInfo" }, { type: "google.rpc.BadRequest" }],
  });
});

test.each(["grpcUrl", "httpUrl"] as const)(
  "takes requests that are compressed with gzip (%s)",
  async (listener) => {
    const transport = createGrpcTransport({
      baseUrl: shop[listener],
      sendCompression: compressionGzip,
      compressMinBytes: 0,
    });

    const { product } = await createClient(InventoryService, transport).createProduct({
      name: "L".repeat(200),
    });

    expect(product!.name).toHaveLength(200);
  },
);
