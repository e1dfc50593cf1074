import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { findRowsField } from "../src/rpc/elements.ts";
import { createRequestReader, rowsOf } from "../src/rpc/reading.ts";
import { ImportOrdersRequestSchema, OrderService } from "../src/gen/commerce/order/v1/order_service_pb.ts";

const { importOrders, importOrderItems, ingestOrders, createOrder } = OrderService.method;
const { readBinary } = createRequestReader(importOrders);

const request = create(ImportOrdersRequestSchema, {
  orders: [{ userId: "ada", items: [{ productId: "lamp", quantity: 2 }] }, {}, { userId: "eve" }],
  firstIndex: 7n,
  stopOnError: true,
  requestId: "again",
});

const repeat = (times: number, bytes: number[]): number[] =>
  Array.from({ length: times }, () => bytes).flat();

test("a request is split into its rows, one by one, and the rest", () => {
  const message = readBinary(toBinary(ImportOrdersRequestSchema, request));

  expect({ ...message, orders: [...rowsOf(message)] }).toEqual({ ...request });
  expect(message).toEqual(create(ImportOrdersRequestSchema, { ...request, orders: [] }));
});

test("rows may stand anywhere among the other fields", () => {
  const pieces = [{ requestId: "a" }, { orders: [{ userId: "ada" }] }, { firstIndex: 3n }, { orders: [{}] }];
  const bytes = Buffer.concat(
    pieces.map((piece) => toBinary(ImportOrdersRequestSchema, create(ImportOrdersRequestSchema, piece))),
  );

  const message = readBinary(bytes);

  expect({ ...message, orders: [...rowsOf(message)] }).toEqual({
    ...fromBinary(ImportOrdersRequestSchema, bytes),
  });
});

test("a row that is no message is an error in its place", () => {
  // A row of one byte, which is a tag without a field.
  const bytes = Buffer.from([...toBinary(ImportOrdersRequestSchema, request), 0x0a, 1, 0xff]);

  const rows = rowsOf(readBinary(bytes));

  expect([...rows].slice(2)).toEqual([
    request.orders[2],
    expect.objectContaining({
      reason: "MALFORMED_ROW",
      kind: "invalid",
      message: "row: is not a message of this kind",
    }),
  ]);
});

test("a row that is larger than any order is refused before it is decoded", () => {
  const bytes = toBinary(
    ImportOrdersRequestSchema,
    create(ImportOrdersRequestSchema, { orders: [{ userId: "x".repeat(2 ** 20) }] }),
  );

  const rows = rowsOf(readBinary(bytes));

  expect([...rows]).toMatchObject([{ reason: "MALFORMED_ROW", message: "row: has over 1048576 bytes" }]);
});

test.each([
  ["a row that ends behind the request", [0x0a, 5, 1]],
  ["a row that is a number", [0x08, 5]],
  ["a tag without a field", [0xff]],
  ["a million empty rows", repeat(2 ** 20, [0x0a, 0])],
  ["rows between thousands of other fields", repeat(4_096, [0x0a, 0, 0x18, 1])],
])("%s is an error of the request", (_, bytes) => {
  expect(() => readBinary(Buffer.from(bytes))).toThrow(/./);
});

test("only imports have rows", () => {
  const methods = [importOrders, importOrderItems, ingestOrders, createOrder];

  expect(methods.map(({ input }) => findRowsField(input)?.name)).toEqual([
    "orders",
    "items",
    "orders",
    undefined,
  ]);
});
