import { randomUUID } from "node:crypto";
import { gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { createClient, type Transport } from "@connectrpc/connect";
import { compressionGzip, createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { InventoryService } from "../../src/gen/commerce/inventory/v1/inventory_service_pb.ts";
import { OrderService } from "../../src/gen/commerce/order/v1/order_service_pb.ts";
import { CreateUserRequestSchema, UserService } from "../../src/gen/commerce/user/v1/user_service_pb.ts";
import { frame, post } from "../support/calls.ts";
import { failure } from "../support/errors.ts";
import { holdProduct, readMetric } from "../support/locks.ts";
import { line, openShop, type Shop } from "../support/shop.ts";
import { bufCurl, ways, WAYS } from "../support/ways.ts";

const getUser = "/commerce.user.v1.UserService/GetUser";

/** One for all tests of this file: they are about the doors, and each makes the users and products that it needs. */
let shop: Shop;

beforeAll(async () => {
  shop = await openShop();
});

afterAll(async () => {
  await shop[Symbol.asyncDispose]();
});

/** What a caller sees who signs up, buys twice, asks for more than there is, and looks at the orders page by page. */
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

test.each(ways)("tells the same story over %s", async (way) => {
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

test("serves reads to a plain GET, and refuses to change anything by one", async () => {
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

test.each(["/commerce.user.v1.UserService/Nothing", "/commerce.nobody.v1.Nobody/GetUser", "/"])(
  "answers UNIMPLEMENTED for %s on both ports",
  async (path) => {
    const { grpc, http } = shop.server;

    const answers = await Promise.all(
      [grpc, http].map(({ port }) => post(port, path, frame(Buffer.alloc(0)))),
    );
    const json = await fetch(shop.httpUrl + path, { method: "POST", body: "{}" });

    expect(answers.map((answer) => answer["grpc-status"])).toEqual(["12", "12"]);
    expect([json.status, await json.json()]).toMatchObject([404, { code: "unimplemented" }]);
  },
);

test.each([
  ["nothing at all", Buffer.alloc(0)],
  ["half a prefix", Buffer.from([0, 0, 0])],
  ["less than the prefix promises", Buffer.from([0, 0, 0, 0, 9, 10])],
  ["no message", frame(Buffer.from([0xff, 0xff, 0xff]))],
  ["text that is not UTF-8", frame(Buffer.from([10, 1, 0xff]))],
  ["what says that it is compressed and is not", Buffer.from([1, 0, 0, 0, 1, 7])],
])("answers a gRPC status to %s on both ports", async (_what, bytes) => {
  const { grpc, http } = shop.server;

  const answers = await Promise.all([grpc, http].map(({ port }) => post(port, getUser, bytes)));

  for (const answer of answers) expect(answer["grpc-status"]).toMatch(/^[1-9]\d?$/);
});

test.each(['{"id":', "[]", '{"id":7}', '{"pageSize":"\\u0000"}', "\u0000"])(
  "answers INVALID_ARGUMENT to the JSON %j",
  async (body) => {
    const path = "/commerce.user.v1.UserService/ListUsers";
    const headers = { "content-type": "application/json" };

    const response = await fetch(shop.httpUrl + (body.includes("id") ? getUser : path), {
      method: "POST",
      headers,
      body,
    });

    expect([response.status, await response.json()]).toMatchObject([400, { code: "invalid_argument" }]);
  },
);

test("answers 415 to a content type that is none of its own on both ports", async () => {
  const { grpc, http } = shop.server;

  const answers = await Promise.all(
    [grpc, http].map(({ port }) => post(port, getUser, Buffer.from("{}"), { "content-type": "text/plain" })),
  );

  expect(answers.map((answer) => answer[":status"])).toEqual([415, 415]);
});

test.each([
  ["gRPC on the gRPC port", () => createGrpcTransport({ baseUrl: shop.grpcUrl }), "grpc-timeout", "250m"],
  ["gRPC on the HTTP port", () => createGrpcTransport({ baseUrl: shop.httpUrl }), "grpc-timeout", "250m"],
  [
    "Connect",
    () => createConnectTransport({ baseUrl: shop.httpUrl, httpVersion: "1.1" }),
    "connect-timeout-ms",
    "250",
  ],
] as const)(
  "answers DEADLINE_EXCEEDED over %s when the caller's time is up, and has changed nothing",
  async (_way, open, header, timeout) => {
    const lamp = await shop.product(100n);
    await using _held = await holdProduct(shop, lamp);
    const before = await shop.stored();

    // The header, and not the client's own timeout: that would end the call by itself.
    const call = createClient(InventoryService, open()).adjustStock(
      { productId: lamp.id, delta: 1n },
      { headers: { [header]: timeout } },
    );

    expect((await failure(call)).code).toBe("DeadlineExceeded");
    // The statement was ended too: its connection is free although the row is still locked.
    await expect.poll(() => readMetric(shop, "db_pool_used"), { timeout: 10_000 }).toBe(0);
    expect(await shop.stored()).toEqual(before);
  },
);

test.each(["grpcUrl", "httpUrl"] as const)(
  "takes requests that are compressed with gzip (%s)",
  async (door) => {
    const transport = createGrpcTransport({
      baseUrl: shop[door],
      sendCompression: compressionGzip,
      compressMinBytes: 0,
    });

    const { product } = await createClient(InventoryService, transport).createProduct({
      name: "L".repeat(200),
    });

    expect(product!.name).toHaveLength(200);
  },
);

test("answers RESOURCE_EXHAUSTED to a small message that is large when it is decompressed, on both ports", async () => {
  const { grpc, http } = shop.server;
  const name = "x".repeat(shop.config.calls.messageBytesMax + 1);
  const compressed = frame(
    gzipSync(toBinary(CreateUserRequestSchema, create(CreateUserRequestSchema, { name }))),
  );
  compressed[0] = 1;

  const answers = await Promise.all(
    [grpc, http].map(({ port }) =>
      post(port, "/commerce.user.v1.UserService/CreateUser", compressed, { "grpc-encoding": "gzip" }),
    ),
  );

  expect(answers.map((answer) => answer["grpc-status"])).toEqual(["8", "8"]);
});
