import {
  create,
  type DescField,
  type DescMessage,
  type DescOneof,
  type MessageInitShape,
  ScalarType,
  toBinary,
} from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { services } from "../src/bindings.ts";
import { encoders } from "../src/gen/encoders.ts";
import { OrderSchema, OrderStatus } from "../src/gen/commerce/order/v1/order_service_pb.ts";
import { UserSchema } from "../src/gen/commerce/user/v1/user_service_pb.ts";
import { encode } from "../src/rpc/encoding.ts";
import { written } from "../src/rpc/wire.ts";

type Init = MessageInitShape<DescMessage>;

/** Around the limits of a varint's bytes. */
const edges = [0, 1, 127, 128, 16_383, 16_384, 2 ** 28 - 1, 2 ** 28, 2 ** 31 - 1, -0];
const longEdges = [...edges.map(BigInt), 2n ** 35n - 1n, 2n ** 35n, 2n ** 53n - 1n];
/** Left to protobuf-es, the whole message with them: these must be seldom for the others to be tested. */
const rareLongs = [2n ** 53n, 2n ** 53n + 1n, 2n ** 63n - 1n, -1n, -(2n ** 63n)];

function seldom<T>(usual: fc.Arbitrary<T>, rare: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 60, arbitrary: usual }, { weight: 1, arbitrary: rare });
}

/** Around the lengths from which texts are written in another way, of characters of one to four bytes. */
const lengths = [0, 1, 11, 12, 13, 41, 42, 43, 126, 127, 128, 129, 16_383, 16_384];
const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 300 }),
  fc
    .tuple(fc.constantFrom("a", "é", "€", "😀", "\uD83D", "\uDE00", "\0"), fc.constantFrom(...lengths))
    .map(([unit, length]) => unit.repeat(length).slice(0, length)),
);

function toScalar(scalar: ScalarType): fc.Arbitrary<unknown> {
  switch (scalar) {
    case ScalarType.STRING:
      return text;
    case ScalarType.BOOL:
      return fc.boolean();
    case ScalarType.BYTES:
      return fc.uint8Array({ maxLength: 200 });
    case ScalarType.INT32:
      return seldom(fc.oneof(fc.constantFrom(...edges), fc.nat()), fc.integer({ max: -1 }));
    case ScalarType.INT64: {
      const bigint = fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n);
      // protobuf-es takes texts and numbers too.
      const rare = fc.oneof(fc.constantFrom(...rareLongs), bigint, bigint.map(String), fc.integer());
      return seldom(fc.oneof(fc.constantFrom(...longEdges), fc.bigInt(0n, 2n ** 53n - 1n)), rare);
    }
    default:
      throw new Error(`no values of ${ScalarType[scalar]}`);
  }
}

function toValue(field: DescField, depth: number): fc.Arbitrary<unknown> {
  if (field.message) return toInit(field.message, depth - 1);
  if (field.enum)
    return seldom(fc.constantFrom(...field.enum.values.map(({ number }) => number)), fc.integer());
  return toScalar(field.scalar);
}

function toMember(member: DescField | DescOneof, depth: number): fc.Arbitrary<unknown> {
  if (member.kind === "oneof") {
    const cases = member.fields.map((field) =>
      toValue(field, depth).map((value) => ({ case: field.localName, value })),
    );
    return fc.oneof(fc.constant({ case: undefined }), ...cases);
  }
  if (member.fieldKind === "list") return fc.array(toValue(member, depth), { maxLength: depth > 0 ? 4 : 0 });
  if (member.fieldKind === "map") return fc.dictionary(text, toValue(member, depth), { maxKeys: 2 });
  return toValue(member, depth);
}

/** Fields of a message, of which any may be missing, or the message that create() makes of them. */
function toInit(schema: DescMessage, depth = 4): fc.Arbitrary<Init> {
  const members = schema.members.map((member) => {
    const nothing = fc.constantFrom(undefined, null);
    return [member.localName, fc.oneof({ weight: 9, arbitrary: toMember(member, depth) }, nothing)] as const;
  });
  const fields = fc.record(Object.fromEntries(members), { requiredKeys: [] });
  return fc.oneof(
    { weight: 4, arbitrary: fields },
    fields.map((init) => create(schema, init)),
  );
}

/** What protobuf-es writes, or "an error" where it refuses. */
function expected(schema: DescMessage, init: Init): string {
  try {
    return Buffer.from(toBinary(schema, create(schema, init))).toString("hex");
  } catch (error) {
    return (error as Error).message;
  }
}

function encoded(schema: DescMessage, init: Init): string {
  try {
    return encode(schema, init).toString("hex");
  } catch (error) {
    return (error as Error).message;
  }
}

const answers = services.flatMap(({ methods }) => methods.map(({ output }) => output));

test.each(answers.map((schema) => [schema.typeName, schema] as const))(
  "%s is written as protobuf-es writes it, or refused as it refuses it",
  (_, schema) => {
    fc.assert(
      fc.property(toInit(schema), (init) => {
        expect(encoded(schema, init)).toBe(expected(schema, init));
      }),
      { numRuns: 200 },
    );
  },
);

test.each(answers.map((schema) => [schema.typeName, schema] as const))(
  "%s is mostly written by its encoder",
  (name, schema) => {
    const inits = fc.sample(toInit(schema), 200);

    const fast = inits.filter((init) => written(encoders[name]!, init));

    expect(fast.length).toBeGreaterThan(inits.length / 2);
  },
);

const order: MessageInitShape<typeof OrderSchema> = {
  id: "6f1c6c3e-0f0a-4a53-8d6e-1b9e2f8a7c11",
  status: OrderStatus.SHIPPED,
  total: { currencyCode: "EUR", units: 10n ** 15n - 1n, nanos: 999_900_000 },
};

test.each<[what: string, schema: DescMessage, init: Init]>([
  ["an order", OrderSchema, order],
  ["a message as a message", OrderSchema, create(OrderSchema, order)],
  [
    "fields that protobuf-es has not known",
    OrderSchema,
    { ...create(OrderSchema, order), $unknown: [{ no: 99, wireType: 0, data: Uint8Array.of(1) }] },
  ],
  [
    "unknown fields of a message within another",
    OrderSchema,
    {
      ...order,
      total: {
        $typeName: "google.type.Money",
        currencyCode: "EUR",
        units: 1n,
        nanos: 0,
        $unknown: [{ no: 99, wireType: 0, data: Uint8Array.of(1) }],
      },
    },
  ],
  ["a list with a hole", OrderSchema, { items: new Array(2) }],
  ["the fields of another type's message", UserSchema, create(OrderSchema, order)],
  ["an amount that is no number", OrderSchema, { itemCount: NaN }],
  ["an id that is no text", UserSchema, { id: 17 }],
  ["an empty message", UserSchema, {}],
])("%s is written as by protobuf-es", (_, schema, init) => {
  expect(encoded(schema, init)).toBe(expected(schema, init));
});

test("a message larger than what is kept for them is written whole, and the next one as well", () => {
  const large: MessageInitShape<typeof UserSchema> = { name: "é".repeat(3_000_000), email: "a" };

  const [first, second] = [encoded(UserSchema, large), encoded(UserSchema, { email: "b" })];

  expect(first === expected(UserSchema, large)).toBe(true);
  expect(second).toBe(expected(UserSchema, { email: "b" }));
});
