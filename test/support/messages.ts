import {
  create,
  type DescField,
  type DescMessage,
  type Message,
  type MessageInitShape,
  ScalarType,
} from "@bufbuild/protobuf";
import fc from "fast-check";

/** Any messages of a kind, at most so deep. */
export function anyMessage(schema: DescMessage, depth = 4): fc.Arbitrary<Message> {
  const fields = schema.fields.filter(({ oneof, message }) => !oneof && (depth > 0 || !message));
  const model = Object.fromEntries(fields.map((field) => [field.localName, anyValue(field, depth - 1)]));
  return fc
    .record(model, { requiredKeys: [] })
    .map((init) => create(schema, init as MessageInitShape<typeof schema>));
}

/** Messages that JSON cannot have with any values. */
const WELL_KNOWN: Readonly<Record<string, fc.Arbitrary<object>>> = {
  "google.protobuf.Timestamp": fc.record({ seconds: fc.bigInt({ min: 0n, max: 2n ** 32n }) }),
  "google.protobuf.FieldMask": fc.record({ paths: fc.array(fc.constantFrom("email", "name", "user.name")) }),
};

function anyValue(field: DescField, depth: number): fc.Arbitrary<unknown> {
  const one = field.message
    ? (WELL_KNOWN[field.message.typeName] ?? anyMessage(field.message, depth))
    : field.enum
      ? fc.constantFrom(...field.enum.values.map(({ number }) => number))
      : anyScalar(field.scalar);
  if (field.fieldKind === "list") return fc.array(one, { maxLength: 5 });
  if (field.fieldKind === "map") return fc.dictionary(fc.string(), one, { maxKeys: 5 });
  return one;
}

function anyScalar(scalar: ScalarType): fc.Arbitrary<unknown> {
  switch (scalar) {
    case ScalarType.BOOL:
      return fc.boolean();
    case ScalarType.STRING:
      return fc.string({ unit: "binary", maxLength: 40 }).map((text) => text.toWellFormed());
    case ScalarType.BYTES:
      return fc.uint8Array({ maxLength: 40 });
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return fc.float({ noNaN: true });
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return fc.integer();
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return fc.nat();
    default:
      return fc.bigInt({ min: 0n, max: 2n ** 63n - 1n });
  }
}
