import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { rowsFieldOf, splitRows } from "../src/rpc/rows.ts";
import { ImportOrdersRequestSchema, OrderService } from "../src/gen/commerce/order/v1/order_service_pb.ts";

const { importOrders, importOrderItems, createOrder } = OrderService.method;
const rowsField = rowsFieldOf(importOrders)!;

const request = create(ImportOrdersRequestSchema, {
  orders: [{ userId: "ada", items: [{ productId: "lamp", quantity: 2 }] }, {}, { userId: "eve" }],
  firstIndex: 7n,
  stopOnError: true,
  requestId: "again",
});

const repeat = (times: number, bytes: number[]): number[] =>
  Array.from({ length: times }, () => bytes).flat();

test("a request is split into its rows, one by one, and the rest", () => {
  const { message, rows } = splitRows(
    ImportOrdersRequestSchema,
    rowsField,
    toBinary(ImportOrdersRequestSchema, request),
  );

  expect({ ...message, orders: [...rows] }).toEqual({ ...request });
  expect(message).toEqual(create(ImportOrdersRequestSchema, { ...request, orders: [] }));
});

test("rows may stand anywhere among the other fields", () => {
  const pieces = [{ requestId: "a" }, { orders: [{ userId: "ada" }] }, { firstIndex: 3n }, { orders: [{}] }];
  const bytes = Buffer.concat(
    pieces.map((piece) => toBinary(ImportOrdersRequestSchema, create(ImportOrdersRequestSchema, piece))),
  );

  const { message, rows } = splitRows(ImportOrdersRequestSchema, rowsField, bytes);

  expect({ ...message, orders: [...rows] }).toEqual({ ...fromBinary(ImportOrdersRequestSchema, bytes) });
});

test("a row that is no message is an error in its place", () => {
  // A row of one byte, which is a tag without a field.
  const bytes = Buffer.from([...toBinary(ImportOrdersRequestSchema, request), 0x0a, 1, 0xff]);

  const { rows } = splitRows(ImportOrdersRequestSchema, rowsField, bytes);

  expect([...rows].slice(2)).toEqual([
    request.orders[2],
    expect.objectContaining({ kind: "invalid", message: "row: is not a message of this kind" }),
  ]);
});

test("a row that is larger than any order is refused before it is decoded", () => {
  const bytes = toBinary(
    ImportOrdersRequestSchema,
    create(ImportOrdersRequestSchema, { orders: [{ userId: "x".repeat(2 ** 20) }] }),
  );

  const { rows } = splitRows(ImportOrdersRequestSchema, rowsField, bytes);

  expect([...rows]).toMatchObject([{ kind: "invalid", message: "row: has over 1048576 bytes" }]);
});

test.each([
  ["a row that ends behind the request", [0x0a, 5, 1]],
  ["a row that is a number", [0x08, 5]],
  ["a tag without a field", [0xff]],
  ["a million empty rows", repeat(2 ** 20, [0x0a, 0])],
  ["rows between thousands of other fields", repeat(4_096, [0x0a, 0, 0x18, 1])],
])("%s is an error of the request", (_, bytes) => {
  expect(() => splitRows(ImportOrdersRequestSchema, rowsField, Buffer.from(bytes))).toThrow(/./);
});

test("only imports have rows", () => {
  expect([importOrders, importOrderItems, createOrder].map((method) => rowsFieldOf(method)?.name)).toEqual([
    "orders",
    "items",
    undefined,
  ]);
});
