import { type DescField, type DescMessage, type JsonValue, ScalarType } from "@bufbuild/protobuf";
import { isWrapperDesc } from "@bufbuild/protobuf/wkt";
import { invalid } from "../errors.ts";
import { elementsMaxOf, tooManyElements } from "./elements.ts";

/**
 * Reads messages in JSON. Throws a DomainError for a wrong field, and a SyntaxError or a TypeError for text
 * that is no JSON.
 */
export type JsonReader = { readonly decode: (bytes: Uint8Array) => string };

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Creates the reader for messages of one type. It rejects, by field, repeated fields with too many elements
 * and integers that protobuf's JSON mapping does not allow. protobuf-es takes whatever JavaScript converts to
 * a number: " " as 0, "0x10" as 16, and a number of 17 digits as its neighbour. It rejects the exponents that
 * the mapping allows in quotes ("1e3"), so these are written out here.
 */
export function createJsonReader(schema: DescMessage): JsonReader {
  const read = createObjectReader(schema);
  return {
    decode(bytes) {
      const text = utf8.decode(bytes);
      if (!read) return text;
      const json = JSON.parse(text) as JsonValue;
      const changes = { made: false };
      const problem = read(json, changes);
      if (problem) throw invalid(problem.field.replace(/^\./, ""), problem.description);
      return changes.made ? JSON.stringify(json) : text;
    },
  };
}

type Problem = { readonly field: string; readonly description: string };
/** Whether the JSON was changed, so that its text must be written anew. */
type Changes = { made: boolean };
/** Checks one value; `put` replaces it. */
type Reader = (value: JsonValue, changes: Changes, put: (value: JsonValue) => void) => Problem | undefined;

/** Creates the reader of an object; undefined if nothing in it needs a check. */
function createObjectReader(
  schema: DescMessage,
  outer: ReadonlyMap<DescMessage, { read: Reader | undefined }> = new Map(),
): ((value: JsonValue, changes: Changes) => Problem | undefined) | undefined {
  // A recursive message: the inner one is read by the outer one's reader, which exists by then.
  const self: { read: Reader | undefined } = { read: undefined };
  const known = new Map(outer).set(schema, self);
  const readers = new Map<string, { readonly name: string; readonly read: Reader }>();
  for (const field of schema.fields) {
    const read = createFieldReader(field, known);
    if (!read) continue;
    for (const key of [field.name, field.jsonName]) readers.set(key, { name: field.name, read });
  }
  if (readers.size === 0) return undefined;
  return (self.read = (value, changes) => {
    if (!isObject(value)) return undefined;
    for (const key of Object.keys(value)) {
      const reader = readers.get(key);
      const problem = reader?.read(value[key]!, changes, (next) => (value[key] = next));
      if (problem) return below(`.${reader!.name}`, problem);
    }
    return undefined;
  });
}

function createFieldReader(
  field: DescField,
  known: ReadonlyMap<DescMessage, { read: Reader | undefined }>,
): Reader | undefined {
  const one = createValueReader(field, known);
  const isMap = field.fieldKind === "map";
  const key = isMap ? RANGES[field.mapKey] : undefined;
  const max = elementsMaxOf(field);
  const tooMany = { field: "", description: tooManyElements(max) };
  if (field.fieldKind === "list") {
    return (value, changes) => {
      if (!Array.isArray(value)) return undefined;
      return value.length > max ? tooMany : one && readEach(value, changes, one);
    };
  }
  if (!isMap) return one;
  return (value, changes) => {
    if (!isObject(value)) return undefined;
    if (Object.keys(value).length > max) return tooMany;
    const wrong = key && Object.keys(value).find((name) => toDecimal(name, key) !== name);
    if (wrong !== undefined) return { field: `["${wrong}"]`, description: noInteger(key!).description };
    return one && readEach(value, changes, one);
  };
}

/** Creates the reader of a field's values, of each element if it is repeated. */
function createValueReader(
  field: DescField,
  known: ReadonlyMap<DescMessage, { read: Reader | undefined }>,
): Reader | undefined {
  const { scalar, message } = field;
  if (scalar !== undefined) return createIntegerReader(scalar);
  if (message === undefined) return undefined;
  if (isWrapperDesc(message)) return createIntegerReader(message.fields[0].scalar);
  // Well-known types with their own JSON form contain no integers.
  if (message.typeName.startsWith("google.protobuf.")) return undefined;
  const self = known.get(message);
  return self
    ? (value, changes, put) => self.read?.(value, changes, put)
    : createObjectReader(message, known);
}

function readEach(value: JsonValue, changes: Changes, read: Reader): Problem | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const values = value as Record<string, JsonValue>;
  for (const key of Object.keys(values)) {
    const problem = read(values[key]!, changes, (next) => (values[key] = next));
    if (problem) return below(Array.isArray(value) ? `[${key}]` : `["${key}"]`, problem);
  }
  return undefined;
}

/** The range of an integer type. */
type Range = { readonly min: bigint; readonly max: bigint };

const int32: Range = { min: -(2n ** 31n), max: 2n ** 31n - 1n };
const int64: Range = { min: -(2n ** 63n), max: 2n ** 63n - 1n };
const uint32: Range = { min: 0n, max: 2n ** 32n - 1n };
const uint64: Range = { min: 0n, max: 2n ** 64n - 1n };

const RANGES: Readonly<Partial<Record<ScalarType, Range>>> = {
  [ScalarType.INT32]: int32,
  [ScalarType.SINT32]: int32,
  [ScalarType.SFIXED32]: int32,
  [ScalarType.UINT32]: uint32,
  [ScalarType.FIXED32]: uint32,
  [ScalarType.INT64]: int64,
  [ScalarType.SINT64]: int64,
  [ScalarType.SFIXED64]: int64,
  [ScalarType.UINT64]: uint64,
  [ScalarType.FIXED64]: uint64,
};

function createIntegerReader(scalar: ScalarType): Reader | undefined {
  const range = RANGES[scalar];
  if (!range) return undefined;
  return (value, changes, put) => {
    if (typeof value === "number") {
      const { min, max } = range;
      if (Number.isInteger(value) && !Number.isSafeInteger(value) && value >= min && value <= max)
        return { field: "", description: "must be in quotes: numbers beyond 2^53 lose digits" };
      return Number.isInteger(value) && value >= min && value <= max ? undefined : noInteger(range);
    }
    // Other types than number and string, except null, are rejected when the message is built.
    if (typeof value !== "string") return undefined;
    const decimal = toDecimal(value, range);
    if (decimal === undefined) return noInteger(range);
    if (decimal !== value) {
      changes.made = true;
      put(decimal);
    }
    return undefined;
  };
}

function noInteger({ min, max }: Range): Problem {
  return { field: "", description: `must be a whole number from ${min} to ${max}, in decimal digits` };
}

/** A number as JSON writes it: without white space, plus, leading zeros or another base. */
const NUMBER = /^(-?)(0|[1-9]\d*)(?:\.(\d+))?(?:[eE]([+-]?\d{1,2}))?$/;
/** More than any 64-bit integer needs; expanding an exponent must have a bound. */
const NUMBER_LENGTH_MAX = 64;

/** Returns the integer in plain digits, or undefined if it is none or out of range. */
function toDecimal(text: string, { min, max }: Range): string | undefined {
  const [matched, sign, whole = "", fraction = "", exponent = "0"] = NUMBER.exec(text) ?? [];
  if (matched === undefined || text.length > NUMBER_LENGTH_MAX) return undefined;
  const shift = Number(exponent) - fraction.length;
  const digits = BigInt(whole + fraction) * 10n ** BigInt(Math.max(0, shift));
  const over = 10n ** BigInt(Math.max(0, -shift));
  const value = (sign ? -digits : digits) / over;
  return digits % over === 0n && value >= min && value <= max ? value.toString() : undefined;
}

function below(place: string, { field, description }: Problem): Problem {
  return { field: place + field, description };
}

function isObject(value: JsonValue): value is { [key: string]: JsonValue } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
