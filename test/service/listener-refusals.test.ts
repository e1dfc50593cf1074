import { gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { InventoryService } from "../../src/gen/commerce/inventory/v1/inventory_service_pb.ts";
import { CreateUserRequestSchema } from "../../src/gen/commerce/user/v1/user_service_pb.ts";
import { frame, post } from "../support/calls.ts";
import { failure } from "../support/errors.ts";
import { holdProduct } from "../support/locks.ts";
import { countConnections } from "../support/metrics.ts";
import { openShop, type Shop } from "../support/shop.ts";

const getUser = "/commerce.user.v1.UserService/GetUser";

/** One for all tests of this file: each makes the users and products that it needs. */
let shop: Shop;

beforeAll(async () => {
  shop = await openShop();
});

afterAll(async () => {
  await shop[Symbol.asyncDispose]();
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

test("answers 415 to an unsupported content type on both ports", async () => {
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
  "answers DEADLINE_EXCEEDED over %s when the deadline has passed, and changes nothing",
  async (_way, open, header, timeout) => {
    const lamp = await shop.product(100n);
    await using locks = new AsyncDisposableStack();
    locks.use(await holdProduct(shop, lamp));
    const before = await shop.stored();

    const start = performance.now();
    // The header, and not the client's own timeout: that would end the call by itself.
    const call = createClient(InventoryService, open()).adjustStock(
      { productId: lamp.id, delta: 1n },
      { headers: { [header]: timeout } },
    );

    expect((await failure(call)).code).toBe("DeadlineExceeded");
    // Long before the service's own default deadline, even on a busy machine.
    expect(performance.now() - start).toBeLessThan(5_000);
    // The connection is free again although the row is still locked.
    await expect.poll(() => countConnections(shop, "used")).toBe(0);
    expect(await shop.stored()).toEqual(before);
  },
);

test("answers RESOURCE_EXHAUSTED to a message that is too large when decompressed on both ports", async () => {
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
