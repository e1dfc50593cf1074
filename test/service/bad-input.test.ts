import { randomUUID } from "node:crypto";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, expect, test } from "vitest";
import { UserService } from "../../src/gen/commerce/user/v1/user_service_pb.ts";
import { failure, toFailure } from "../support/errors.ts";
import { readAll } from "../support/imports.ts";
import { createRequests } from "../support/requests.ts";
import { line, openShop } from "../support/shop.ts";

const shop = await openShop();
afterAll(() => shop[Symbol.asyncDispose]());
const { methods, callWith } = await createRequests(shop);
const lamp = await shop.product();

const id = randomUUID();
const noUuids = [
  "nonsense",
  id.slice(1),
  `${id}0`,
  id.replaceAll("-", ""),
  `{${id}}`,
  `${id.slice(1)}g`,
  `${id}\0`,
];
const noIds = ["", ...noUuids];
const nil = "00000000-0000-0000-0000-000000000000";
const noEmails = [
  "",
  " ",
  "ada",
  "ada@",
  "@example.com",
  "ada@@example.com",
  "ada lovelace@example.com",
  "ada@exam ple.com",
  "ada@-example.com",
  "ada@example-.com",
  "ada@example..com",
  "ada@example.com.",
  "<ada@example.com>",
  "ada@example.com, eve@example.com",
  "adä@example.com",
  "ada@example.com\0",
  "ad\na@example.com",
  "ada@".padEnd(68, "a"),
  "@example.com".padStart(255, "a"),
  "@example.com".padStart(400, "a"),
  // The Kelvin sign, whose lower case is an ordinary k.
  "\u212Aay@example.com",
];
const noNames = ["", " \t", "a".repeat(201), "Ada\0"];
const noEtags = [
  "1".repeat(65),
  "*",
  'W/"9"',
  "9",
  '"01"',
  '"0"',
  '"9',
  '"',
  '"-1"',
  '"9", "10"',
  "etag",
  '"1\0"',
  '"99999999999999999999"',
];
const noCurrencies = ["", "EU", "EURO", "eur", "E1R", "ÉUR", "EU\0"];
const noMasks = ["password", "id", "etag", "create_time", "user.name", "Name", ""].map((path) => ({
  paths: [path],
}));
const tooMany = (each: unknown) => [[], Array.from({ length: 1_001 }, () => each)];
const money = (units: bigint, nanos: number) => ({ currencyCode: "EUR", units, nanos });

test.each<[method: string, field: string, what: string, values: readonly unknown[]]>([
  ...["GetUser", "DeleteUser", "GetOrder", "UpdateOrderStatus", "GetProduct"].map(
    (method): [string, string, string, string[]] => [method, "id", "what is no UUID", noIds],
  ),
  ["BatchGetUsers", "ids[1]", "what is no UUID", noIds],
  ["UpdateUser", "user.id", "what is no UUID", noIds],
  ["CreateOrder", "user_id", "what is no UUID", noIds],
  ["CreateOrder", "items[1].product_id", "what is no UUID", noIds],
  ["BatchUpdateOrderStatuses", "changes[1].id", "what is no UUID", noIds],
  ["ListOrderEvents", "order_id", "what is no UUID", noIds],
  ["AdjustStock", "product_id", "what is no UUID", noIds],
  ["ListOrders", "user_id", "what is no UUID", noUuids],
  ...Object.keys(methods)
    .filter((method) => "requestId" in methods[method]![1])
    .map((method): [string, string, string, string[]] => [
      method,
      "request_id",
      "what is no UUID or nil",
      [...noUuids, nil],
    ]),
  ...["ListUsers", "ListOrders", "ListOrderEvents", "ListProducts"].map(
    (method): [string, string, string, number[]] => [method, "page_size", "less than zero", [-1, -(2 ** 31)]],
  ),
  ["CreateUser", "email", "what is no email", noEmails],
  ["UpdateUser", "user.email", "what is no email", noEmails],
  ["GetUserByEmail", "email", "what is no email", noEmails],
  ["AuthenticateUser", "email", "what is no email", noEmails],
  ["CreateUser", "name", "an empty, long or unprintable one", noNames],
  ["UpdateUser", "user.name", "an empty, long or unprintable one", noNames],
  ["CreateProduct", "name", "an empty, long or unprintable one", noNames],
  ["CreateUser", "password", "a short or long one", ["", "1234567", "ä".repeat(257)]],
  ["AuthenticateUser", "password", "an empty or long one", ["", "a".repeat(513)]],
  ["UpdateUser", "user", "none", [undefined]],
  ["UpdateUser", "update_mask", "a path that cannot change", noMasks],
  ["UpdateUser", "user.etag", "what is no etag", noEtags],
  ["DeleteUser", "etag", "what is no etag", noEtags],
  ["UpdateOrderStatus", "etag", "what is no etag", noEtags],
  ["BatchUpdateOrderStatuses", "changes[1].etag", "what is no etag", noEtags],
  ["BatchGetUsers", "ids", "none or more than 1000", tooMany(id)],
  ["CreateOrder", "items", "none or more than 1000", tooMany(line(lamp))],
  ["BatchUpdateOrderStatuses", "changes", "none or more than 1000", tooMany({ id, status: 2 })],
  ["CreateOrder", "stock_policy", "an unknown one", [3, -1]],
  ["GetOrder", "view", "an unknown one", [3, -1]],
  ["ListOrders", "view", "an unknown one", [3, -1]],
  ["ListOrders", "status", "an unknown one", [99, -1]],
  ["UpdateOrderStatus", "status", "none or an unknown one", [0, 99, -1]],
  ["BatchUpdateOrderStatuses", "changes[1].status", "none or an unknown one", [0, 99, -1]],
  ["CreateOrder", "items[1].quantity", "what is out of range", [0, -1, 1_000_001, 2 ** 31 - 1]],
  ["CreateOrder", "items[1].unit_price", "none", [undefined]],
  [
    "CreateOrder",
    "items[1].unit_price",
    "less than zero",
    [money(-1n, 0), money(0n, -100_000), money(-9n, -990_000_000)],
  ],
  ["CreateOrder", "items[0].unit_price.currency_code", "what is no currency", noCurrencies],
  ["CreateOrder", "items[1].unit_price.currency_code", "another currency than before", ["USD"]],
  ["CreateOrder", "items[1].unit_price.nanos", "more than 4 decimals", [1, 99_999, 990_010_000]],
  ["CreateOrder", "items[1].unit_price.nanos", "another sign than that of units", [-100_000]],
  ["CreateOrder", "items[1].unit_price.nanos", "a whole unit or more", [10 ** 9, 2 ** 31 - 1, -(2 ** 31)]],
  ["CreateOrder", "items[1].unit_price.units", "10^15 or more", [10n ** 15n, 2n ** 63n - 1n]],
  ["CreateOrder", "items", "a total of 10^15 or more", [[line(lamp, 2, money(5n * 10n ** 14n, 0))]]],
  ["CreateProduct", "on_hand", "what is out of range", [-1n, 1_000_000_000_001n]],
  ["AdjustStock", "delta", "zero or out of range", [0n, 1_000_000_001n, -1_000_000_001n]],
])("%s fails with INVALID_ARGUMENT naming %s for %s", async (method, field, _, values) => {
  const before = await shop.stored();

  for (const value of values) {
    const failed = await failure(callWith(method, field, value));

    expect(failed, `for ${String(value)}`).toEqual({
      code: "InvalidArgument",
      reason: "INVALID_FIELD",
      fields: [field],
    });
  }
  expect(await shop.stored()).toEqual(before);
});

test.each([
  ["GetUser", "id", "commerce.user.v1.User"],
  ["BatchGetUsers", "ids[1]", "commerce.user.v1.User"],
  ["UpdateUser", "user.id", "commerce.user.v1.User"],
  ["DeleteUser", "id", "commerce.user.v1.User"],
  ["CreateOrder", "user_id", "commerce.user.v1.User"],
  ["CreateOrder", "items[1].product_id", "commerce.inventory.v1.Product"],
  ["GetOrder", "id", "commerce.order.v1.Order"],
  ["UpdateOrderStatus", "id", "commerce.order.v1.Order"],
  ["BatchUpdateOrderStatuses", "changes[1].id", "commerce.order.v1.Order"],
  ["ListOrderEvents", "order_id", "commerce.order.v1.Order"],
  ["GetProduct", "id", "commerce.inventory.v1.Product"],
  ["AdjustStock", "product_id", "commerce.inventory.v1.Product"],
])("%s fails with NOT_FOUND for an %s that names no %s", async (method, field, type) => {
  const unknown = randomUUID();
  const before = await shop.stored();

  const failed = await failure(callWith(method, field, unknown));

  expect(failed).toMatchObject({ code: "NotFound", resource: `${type}/${unknown}` });
  expect(await shop.stored()).toEqual(before);
});

test("GetUserByEmail fails with NOT_FOUND for an email that nobody has", async () => {
  const failed = await failure(shop.users.getUserByEmail({ email: "Nobody@example.com" }));

  const email = "nobody@example.com";
  const resource = `commerce.user.v1.User/${email}`;
  expect(failed).toEqual({ code: "NotFound", reason: "USER_NOT_FOUND", resource, metadata: { email } });
});

test.each([
  ["gRPC", createGrpcTransport({ baseUrl: shop.grpcUrl })],
  ["Connect", createConnectTransport({ baseUrl: shop.httpUrl, httpVersion: "1.1" })],
])("a message over the limit fails with RESOURCE_EXHAUSTED over %s", async (_, transport) => {
  const name = "a".repeat(4 * 2 ** 20 + 1);
  const before = await shop.stored();

  const failed = await failure(createClient(UserService, transport).createUser({ name }));

  expect(failed).toMatchObject({ code: "ResourceExhausted" });
  expect(await shop.stored()).toEqual(before);
});

test.each([
  ["ImportOrders", () => shop.orders.importOrders({ requestId: nil })],
  ["ImportOrderItems", () => shop.orders.importOrderItems({ requestId: nil })],
  ["IngestOrders", () => shop.orders.ingestOrders(only({ requestId: nil }))],
])("%s fails with INVALID_ARGUMENT naming request_id for the nil UUID", async (_, call) => {
  const { read, error } = await readAll(call() as AsyncIterable<unknown>);

  expect(read).toEqual([]);
  expect(toFailure(error)).toEqual({
    code: "InvalidArgument",
    reason: "INVALID_FIELD",
    fields: ["request_id"],
  });
});

test.each(Object.keys(methods))("%s succeeds when none of its fields is wrong", async (method) => {
  const [call, request] = methods[method]!;

  const answer = call(request as never);

  await expect(answer).resolves.toBeDefined();
});

async function* only<T>(item: T): AsyncGenerator<T> {
  yield item;
}
