import {
  create,
  type DescField,
  type DescMessage,
  equals,
  fromJsonString,
  type Message,
  type MessageInitShape,
  ScalarType,
  toBinary,
  toJsonString,
} from "@bufbuild/protobuf";
import fc from "fast-check";

/** A request as bytes, in either format; some are no message at all. */
export type Bytes = { readonly binary: Uint8Array; readonly json: Uint8Array };

/** Messages within messages are made so deep. */
const DEPTH_MAX = 3;

/** Texts that mean something to the service, and texts that mean something to other programs. */
const text = (known: readonly string[]): fc.Arbitrary<string> =>
  fc.oneof(
    fc.constantFrom(...known, "", "\0", "'; drop table users; --", "%s%n", "\u202E", "a".repeat(300)),
    fc.uuid(),
    fc.emailAddress(),
    fc.string({ unit: "binary" }),
    fc.string(),
  );

const whole = fc.oneof(fc.constantFrom(0, 1, 2, -1, 1000, 2 ** 31 - 1, -(2 ** 31)), fc.integer());
const long = fc.oneof(
  fc.constantFrom(0n, 1n, -1n, 10n ** 12n, 2n ** 63n - 1n, -(2n ** 63n)),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
);

function scalar(type: ScalarType, known: readonly string[]): fc.Arbitrary<unknown> {
  switch (type) {
    case ScalarType.STRING:
      return text(known);
    case ScalarType.BYTES:
      return fc.uint8Array();
    case ScalarType.BOOL:
      return fc.boolean();
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return whole;
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return fc.nat(2 ** 31 - 1);
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return long;
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return long.map((each) => (each < 0n ? -(each + 1n) : each));
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return fc.double();
    default:
      return type satisfies never;
  }
}

function value(field: DescField, known: readonly string[], depth: number): fc.Arbitrary<unknown> {
  const enumerated = fc.oneof(fc.constantFrom(0, 1, 2, 3), whole);
  switch (field.fieldKind) {
    case "scalar":
      return scalar(field.scalar, known);
    case "enum":
      return enumerated;
    case "message":
      return message(field.message, known, depth + 1);
    case "list": {
      const item =
        field.listKind === "message"
          ? message(field.message, known, depth + 1)
          : field.listKind === "enum"
            ? enumerated
            : scalar(field.scalar, known);
      return fc.array(item, { maxLength: 4 });
    }
    case "map":
      return fc.constant({});
    default:
      return field satisfies never;
  }
}

/** What create() makes a message of a type from: each field is there or not. */
function message(desc: DescMessage, known: readonly string[], depth = 0): fc.Arbitrary<object> {
  if (depth > DEPTH_MAX) return fc.constant({});
  const own = desc.members.map((member): [string, fc.Arbitrary<unknown>] => {
    if (member.kind === "field") return [member.localName, value(member, known, depth)];
    const cases = member.fields.map((field) =>
      value(field, known, depth).map((each) => ({ case: field.localName, value: each })),
    );
    return [member.localName, fc.oneof(...cases)];
  });
  return fc.record(Object.fromEntries(own), { requiredKeys: [] });
}

/** Messages of a type that JSON has, too: not an empty path of a FieldMask, and not every Timestamp. */
export function messagesOf(desc: DescMessage): fc.Arbitrary<Message> {
  const made = message(desc, []).map((init) => create(desc, init as MessageInitShape<DescMessage>));
  return made.filter((each) => {
    const json = toJson(desc, each);
    return json !== undefined && equals(desc, fromJsonString(desc, json), each);
  });
}

/** Requests of a type: arbitrary messages of it, mutated ones, and none. `known`: texts that exist. */
export function requestsOf(desc: DescMessage, known: readonly string[]): fc.Arbitrary<Bytes> {
  const sound = message(desc, known).map((init): Bytes => {
    const made = create(desc, init as MessageInitShape<DescMessage>);
    return { binary: toBinary(desc, made), json: Buffer.from(toJson(desc, made) ?? "{}") };
  });
  const mutated = fc
    .tuple(sound, fc.array(fc.tuple(fc.nat(), fc.nat(255), fc.nat(2))))
    .map(([{ binary, json }, edits]): Bytes => ({
      binary: mutate(binary, edits),
      json: mutate(json, edits),
    }));
  const names = desc.fields.flatMap(({ jsonName, name }) => [jsonName, name, "x"]);
  const loose = fc
    .dictionary(fc.constantFrom("x", ...names), fc.jsonValue(), { maxKeys: 5 })
    .map((each) => JSON.stringify(each));
  const wild = fc
    .tuple(fc.uint8Array(), fc.oneof(loose, fc.json(), fc.string()))
    .map(([binary, json]): Bytes => ({ binary, json: Buffer.from(json) }));
  return fc.oneof(sound, mutated, wild);
}

/** Some messages have no JSON: a Timestamp that is out of its range. */
function toJson(desc: DescMessage, made: Message): string | undefined {
  try {
    return toJsonString(desc, made);
  } catch {
    return undefined;
  }
}

/** Changes, inserts or removes bytes at places. */
function mutate(bytes: Uint8Array, edits: readonly (readonly [number, number, number])[]): Uint8Array {
  const copy = Array.from(bytes);
  for (const [place, byte, kind] of edits) {
    const at = place % (copy.length + 1);
    if (kind === 0) copy[at] = byte;
    else if (kind === 1) copy.splice(at, 0, byte);
    else copy.splice(at, 1);
  }
  return Uint8Array.from(copy);
}
