import { fromBinary, fromJson, type Message, toBinary, toJson } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { DomainError } from "../src/errors.ts";
import { InventoryService } from "../src/gen/commerce/inventory/v1/inventory_service_pb.ts";
import { OrderService } from "../src/gen/commerce/order/v1/order_service_pb.ts";
import { UserService } from "../src/gen/commerce/user/v1/user_service_pb.ts";
import { findRowsField } from "../src/rpc/elements.ts";
import { createRequestReader, rowsOf } from "../src/rpc/reading.ts";
import { messagesOf } from "./support/arbitraries.ts";

const methods = [UserService, OrderService, InventoryService].flatMap(({ methods: own }) => own);
const named = methods.map((method) => [method.name, method] as const);
const { createOrder, importOrders, importOrderItems, ingestOrders } = OrderService.method;
const imports = [importOrders, importOrderItems, ingestOrders].map(
  (method) => [method.name, method] as const,
);
const { batchGetUsers, updateUser } = UserService.method;

/** A request with its rows, if it is an import, or why it was refused. */
function outcomeOf(read: () => Message, rowsName: string | undefined): unknown {
  try {
    const message = read();
    return rowsName === undefined ? message : { ...message, [rowsName]: [...rowsOf(message)] };
  } catch (error) {
    return error;
  }
}

const rowsNameOf = (method: (typeof methods)[number]) => findRowsField(method.input)?.localName;

test.each(named)("%s: reads what protobuf-es reads, in binary and in JSON", (_, method) => {
  const { readBinary, readJson } = createRequestReader(method);
  const rowsName = rowsNameOf(method);

  fc.assert(
    fc.property(messagesOf(method.input), fc.constantFrom(undefined, 1, "\t"), (message, space) => {
      const bytes = toBinary(method.input, message);
      const text = Buffer.from(JSON.stringify(toJson(method.input, message), undefined, space));
      const whole = rowsName === undefined ? message : { ...message };
      expect(outcomeOf(() => readBinary(bytes), rowsName)).toEqual(whole);
      expect(outcomeOf(() => readJson(text), rowsName)).toEqual(whole);
    }),
    { numRuns: 30 },
  );
});

test.each(named)("%s: bytes that are wrong are a DomainError, or what protobuf-es reads", (_, method) => {
  const { readBinary, readJson } = createRequestReader(method);
  const rowsName = rowsNameOf(method);
  const options = { readUnknownFields: false };
  const anyBytes = fc
    .tuple(messagesOf(method.input), fc.uint8Array({ maxLength: 20 }), fc.nat(), fc.boolean())
    .map(([message, noise, at, isJson]) => {
      const bytes = isJson
        ? Buffer.from(JSON.stringify(toJson(method.input, message)))
        : toBinary(method.input, message);
      const place = at % (bytes.length + 1);
      return Buffer.concat([bytes.subarray(0, place), noise, bytes.subarray(place)]);
    });

  fc.assert(
    fc.property(anyBytes, (bytes) => {
      const binary = outcomeOf(() => readBinary(bytes), rowsName);
      const json = outcomeOf(() => readJson(bytes), rowsName);
      const errors = [binary, json].filter((each) => each instanceof Error);
      expect(errors.filter((each) => !(each instanceof DomainError))).toEqual([]);
      // Rows that are wrong are errors in their places, where protobuf-es refuses the request.
      const isRead = rowsName === undefined && !(binary instanceof Error);
      expect(binary).toEqual(isRead ? fromBinary(method.input, bytes, options) : binary);
    }),
    { numRuns: 60 },
  );
});

test.each(imports)("%s: finds the rows of JSON where they are", (_, method) => {
  const { readJson } = createRequestReader(method);
  const rowsName = rowsNameOf(method)!;
  const anySpace = fc.stringMatching(/^[ \t\r\n]{0,3}$/);

  fc.assert(
    fc.property(fc.array(fc.jsonValue()), anySpace, fc.boolean(), (values, space, first) => {
      const elements = values.map((value) => JSON.stringify(value)).join(`${space},${space}`);
      const list = `[${space}${elements}${space}]`;
      const members = [`"${rowsName}"${space}:${space}${list}`, `${space}"firstIndex":"7"`];
      const text = `${space}{${(first ? members : members.toReversed()).join(",")}}${space}`;

      const message = readJson(Buffer.from(text));
      const rows = [...rowsOf(message)];

      expect(message).toMatchObject({ firstIndex: 7n });
      const expected = values.map((value) => toRow(findRowsField(method.input)!.message!, value));
      expect(rows.map((row) => (row instanceof Error ? "wrong" : row))).toEqual(expected);
    }),
  );
});

function toRow(schema: Parameters<typeof fromJson>[0], value: unknown): unknown {
  try {
    return fromJson(schema, value as Parameters<typeof fromJson>[1]);
  } catch {
    return "wrong";
  }
}

test.each([
  ["escapes in its name", '{"\\u006frders":[{"userId":"ada"}]}', ["ada"]],
  ["brackets in its texts", '{"orders":[{"userId":"]}\\"[{,"},{"userId":"b\\\\"}]}', [']}"[{,', "b\\"]],
  ["a byte order mark before it", '\ufeff{"orders":[{"userId":"ada"}]}', ["ada"]],
  ["null for its rows", '{"orders":null}', []],
  ["no rows", '{"orders":[ ]}', []],
])("reads an import with %s", (_, text, users) => {
  const { readJson } = createRequestReader(importOrders);

  const rows = [...rowsOf(readJson(Buffer.from(text)))];

  expect(rows.map((row) => (row as unknown as { userId: string }).userId)).toEqual(users);
});

test.each([
  '{"orders":[{}',
  '{"orders":[{},]}',
  '{"orders":[,{}]}',
  '{"orders":[{}]',
  '{"orders":[{}]}}',
  '{"orders":[{}]} x',
  '{"orders":[{} {}]}',
  '{"orders":[{}],"orders":[{}]}',
  '{"orders" [{}]}',
  '{"orders":"x',
  '{"orders":{}}',
  '{"orders":[{}] "firstIndex":"1"}',
  '{"orders":[{}],}',
  '[{"orders":[]}]',
  '{"firstIndex":"0x1","orders":[{}]}',
  `{"requestId":"${"x".repeat(5_000)}","orders":[{}]}`,
  "",
])("refuses as a whole: %s", (text) => {
  const { readJson } = createRequestReader(importOrders);

  const read = () => [...rowsOf(readJson(Buffer.from(text)))];

  expect(read).toThrow(DomainError);
});

test("a field whose wire type is wrong is no way around the count", () => {
  // Items as numbers: protobuf-es takes the number for the length of a message.
  const item = Buffer.of(0x10, 2, 0x12, 0);
  const { readBinary } = createRequestReader(createOrder);

  const read = () => readBinary(Buffer.alloc(4 * 2_000, item));

  expect(read).toThrow(expect.objectContaining({ reason: "MALFORMED_REQUEST" }));
});

const paths = (count: number) => [0x12, 2 * count, ...Array.from({ length: count }, () => [0x0a, 0]).flat()];
test.each([
  ["items", createOrder, Buffer.alloc(2 * 1_001, Buffer.from([0x12, 0])), 1_000],
  ["ids", batchGetUsers, Buffer.alloc(2 * 1_001, Buffer.from([0x0a, 0])), 1_000],
  ["update_mask.paths", updateUser, Buffer.from(Array.from({ length: 30 }, () => paths(60)).flat()), 1_000],
])("counts %s before they are decoded, in the words of their rule", (field, method, bytes, max) => {
  const { readBinary } = createRequestReader(method);

  const read = () => readBinary(bytes);

  const message = `${field}: must contain no more than ${max} item(s)`;
  expect(read).toThrow(expect.objectContaining({ reason: "INVALID_FIELD", message }));
});

test("counts what stands in JSON, and within a row", () => {
  const items = `[${"{},".repeat(1_000)}{}]`;
  const readOrder = () => createRequestReader(createOrder).readJson(Buffer.from(`{"items":${items}}`));
  const message = "items: must contain no more than 1000 item(s)";

  const reader = createRequestReader(importOrders);
  const [jsonRow] = rowsOf(reader.readJson(Buffer.from(`{"orders":[{"items":${items}}]}`)));
  const row = Buffer.alloc(2 * 1_001, Buffer.from([0x12, 0]));
  const [binaryRow] = rowsOf(reader.readBinary(Buffer.concat([Buffer.of(0x0a, 0xd2, 0x0f), row])));

  expect(readOrder).toThrow(expect.objectContaining({ reason: "INVALID_FIELD", message }));
  expect([jsonRow, binaryRow]).toMatchObject([{ message }, { message }]);
});
