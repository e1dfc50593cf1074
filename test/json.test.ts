import { create, createFileRegistry, type DescMessage, fromJsonString, toJson } from "@bufbuild/protobuf";
import {
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  FileDescriptorProtoSchema,
  file_google_protobuf_wrappers,
} from "@bufbuild/protobuf/wkt";
import type { DomainError } from "../src/errors.ts";
import { CreateProductRequestSchema } from "../src/gen/commerce/inventory/v1/inventory_service_pb.ts";
import { CreateOrderRequestSchema } from "../src/gen/commerce/order/v1/order_service_pb.ts";
import { GetUserRequestSchema, ListUsersRequestSchema } from "../src/gen/commerce/user/v1/user_service_pb.ts";
import { createJsonReader } from "../src/rpc/json.ts";
import { expect, test } from "vitest";

/** A message with each kind of field that can hold an integer, and with itself. */
const Numbers = ((): DescMessage => {
  const field = (name: string, number: number, type: Type, typeName = "", label = Label.OPTIONAL) => ({
    name,
    jsonName: name.replaceAll(/_(.)/g, (_, letter: string) => letter.toUpperCase()),
    number,
    type,
    typeName,
    label,
  });
  const file = create(FileDescriptorProtoSchema, {
    name: "test/v1/numbers.proto",
    syntax: "proto3",
    package: "test.v1",
    dependency: ["google/protobuf/wrappers.proto"],
    messageType: [
      {
        name: "Numbers",
        field: [
          field("an_int32", 1, Type.INT32),
          field("a_uint32", 2, Type.FIXED32),
          field("an_int64", 3, Type.SINT64),
          field("a_uint64", 4, Type.UINT64),
          field("many", 5, Type.INT64, "", Label.REPEATED),
          field("wrapped", 6, Type.MESSAGE, ".google.protobuf.Int64Value"),
          field("inner", 7, Type.MESSAGE, ".test.v1.Numbers"),
          field("by_key", 8, Type.MESSAGE, ".test.v1.Numbers.ByKeyEntry", Label.REPEATED),
          field("text", 9, Type.STRING),
          field("ratio", 10, Type.DOUBLE),
        ],
        nestedType: [
          {
            name: "ByKeyEntry",
            field: [field("key", 1, Type.INT32), field("value", 2, Type.INT64)],
            options: { mapEntry: true },
          },
        ],
      },
    ],
  });
  const registry = createFileRegistry(file, (name) =>
    name === "google/protobuf/wrappers.proto" ? file_google_protobuf_wrappers.proto : undefined,
  );
  return registry.getMessage("test.v1.Numbers")!;
})();

/** What is left of a JSON text after it was read: the message, or the fields that are wrong. */
function read(schema: DescMessage, text: string): unknown {
  try {
    const { decode } = createJsonReader(schema);
    return toJson(schema, fromJsonString(schema, decode(Buffer.from(text))));
  } catch (error) {
    return (error as DomainError).facts.fields!.map(({ field }) => field);
  }
}

test.each([
  "",
  " ",
  " 1",
  "1 ",
  "\\t1",
  "0x10",
  "0b11",
  "0o7",
  "+1",
  "01",
  "1_0",
  "1.5",
  "1e-1",
  "1e99",
  "NaN",
])("refuses the text %j as an integer, and names the field", (value) => {
  const fields = ["anInt32", "a_uint32", "anInt64", "aUint64", "wrapped"];

  const wrong = fields.map((field) => read(Numbers, `{"${field}": "${value}"}`));

  expect(wrong).toEqual([["an_int32"], ["a_uint32"], ["an_int64"], ["a_uint64"], ["wrapped"]]);
});

test.each([
  ["anInt32", "2147483648", "an_int32"],
  ["anInt32", '"-2147483649"', "an_int32"],
  ["aUint32", "-1", "a_uint32"],
  ["aUint32", "4294967296", "a_uint32"],
  ["anInt64", '"9223372036854775808"', "an_int64"],
  ["aUint64", '"-1"', "a_uint64"],
  ["anInt64", "9007199254740993", "an_int64"],
  ["anInt64", "1.5", "an_int64"],
  ["many", '["1", "0x2"]', "many[1]"],
  ["byKey", '{"1": "x"}', 'by_key["1"]'],
  ["byKey", '{"0x1": "1"}', 'by_key["0x1"]'],
  ["inner", '{"inner": {"anInt64": ""}}', "inner.inner.an_int64"],
])("refuses %s: %s, naming %s", (field, value, path) => {
  const wrong = read(Numbers, `{"${field}": ${value}}`);

  expect(wrong).toEqual([path]);
});

test("takes integers in digits, as numbers, and with exponents and fractions that leave them whole", () => {
  const text = `{"anInt32": -2147483648, "aUint32": "4294967295", "anInt64": "-9223372036854775808",
    "aUint64": "18446744073709551615", "many": ["1e3", 1e3, 1.0, "12.50e1", "-0", 9007199254740991],
    "wrapped": "7", "inner": {"anInt64": "1E2", "inner": null}, "byKey": {"-1": "2"}, "text": " 0x10",
    "ratio": "1.5"}`;

  const message = read(Numbers, text);

  expect(message).toEqual({
    anInt32: -2147483648,
    aUint32: 4294967295,
    anInt64: "-9223372036854775808",
    aUint64: "18446744073709551615",
    many: ["1000", "1000", "1", "125", "0", "9007199254740991"],
    wrapped: "7",
    inner: { anInt64: "100" },
    byKey: { "-1": "2" },
    text: " 0x10",
    ratio: 1.5,
  });
});

test("hands on the text as it is where nothing is to be changed, so that duplicate keys are still seen", () => {
  const { decode } = createJsonReader(CreateProductRequestSchema);
  const text = '{"onHand": "1", "onHand": "2"}';

  const handedOn = decode(Buffer.from(text));

  expect(handedOn).toBe(text);
});

test.each([
  [CreateOrderRequestSchema, '{"items": [{"unitPrice": {"units": "  "}}]}', "items[0].unit_price.units"],
  [CreateOrderRequestSchema, '{"items": [{"unit_price": {"nanos": "0x2"}}]}', "items[0].unit_price.nanos"],
  [CreateOrderRequestSchema, '{"items": [{}, {"quantity": " 2"}]}', "items[1].quantity"],
  [CreateProductRequestSchema, '{"on_hand": "0b11"}', "on_hand"],
] as const)("reads the requests of the contract: %o %s", (schema, text, path) => {
  const wrong = read(schema, text);

  expect(wrong).toEqual([path]);
});

test("refuses bytes that are not UTF-8, also where there is no integer", () => {
  const { decode } = createJsonReader(GetUserRequestSchema);

  expect(() => decode(Buffer.from('{"id":"\xff"}', "latin1"))).toThrow(TypeError);
});

const notOf32Bits = "page_size: must be a whole number from -2147483648 to 2147483647, in decimal digits";

test.each([
  ["2147483647", undefined],
  ["-2147483648", undefined],
  ["2147483648", notOf32Bits],
  ["-2147483649", notOf32Bits],
])("reads %s as a number of 32 bits, or says: %s", (number, problem) => {
  const { decode } = createJsonReader(ListUsersRequestSchema);
  const problemOf = (json: string): string | undefined => {
    try {
      return void decode(Buffer.from(json));
    } catch (error) {
      return (error as Error).message;
    }
  };

  const problems = [`{"pageSize":${number}}`, `{"page_size":"${number}"}`].map(problemOf);

  expect(problems).toEqual([problem, problem]);
});
