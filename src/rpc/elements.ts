import { type DescField, type DescMessage, getOption, ScalarType } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { field as rulesOf, Ignore } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { bounds } from "../bounds.ts";
import { invalid } from "../errors.ts";

/** Throws a DomainError if a field of a message has too many elements; decodes nothing. */
export type CountElements = (bytes: Uint8Array) => void;

/**
 * Returns the field with the rows of an import: the one whose elements the contract leaves to us to validate.
 */
export function findRowsField({ fields }: DescMessage): DescField | undefined {
  return fields.find(
    (field) =>
      field.fieldKind === "list" &&
      field.message !== undefined &&
      getOption(field, rulesOf).ignore === Ignore.ALWAYS,
  );
}

/** Returns the maximum of a repeated field: its rule in the contract, or the default. */
export function elementsMaxOf(field: DescField): number {
  const { type } = getOption(field, rulesOf);
  if (type.case === "repeated" && type.value.maxItems > 0n) return Number(type.value.maxItems);
  if (type.case === "map" && type.value.maxPairs > 0n) return Number(type.value.maxPairs);
  return bounds.elements.max;
}

/** The description of a field with too many elements, as its rule words it. */
export function tooManyElements(max: number): string {
  return `must contain no more than ${max} item(s)`;
}

/** What to count in a message, by field number. */
type Plan = ReadonlyMap<number, Step>;
type Step = {
  readonly name: string;
  /** The maximum of a repeated field. */
  readonly max?: number;
  /** The type of a repeated field whose elements may be packed. */
  readonly packed?: ScalarType | undefined;
  /** What to count within the field's message. */
  readonly inner?: Plan | undefined;
};

/**
 * Creates a function that counts elements before a message of a type is decoded: millions of empty ones fit
 * into a few megabytes. Undefined if the type has nothing to count.
 */
export function createElementCount(schema: DescMessage): CountElements | undefined {
  const plan = toPlan(schema, new Map());
  return plan && ((bytes) => count(plan, new BinaryReader(bytes), bytes.length, "", new Map()));
}

/** Undefined if there is nothing to count. A recursive message reuses the plan of the outer one. */
function toPlan(schema: DescMessage, known: Map<DescMessage, Plan>): Plan | undefined {
  const same = known.get(schema);
  if (same) return same;
  const plan = new Map<number, Step>();
  known.set(schema, plan);
  for (const field of schema.fields) {
    const { number, name, fieldKind } = field;
    const inner = field.message && toPlan(field.message, known);
    if (fieldKind === "list" || fieldKind === "map") {
      const packed = field.scalar ?? (field.enum && ScalarType.INT32);
      plan.set(number, {
        name,
        max: elementsMaxOf(field),
        packed: fieldKind === "map" ? undefined : packed,
        inner,
      });
    } else if (inner) plan.set(number, { name, inner });
  }
  if (plan.size > 0) return plan;
  known.delete(schema);
  return undefined;
}

/** Elements of each field, and the counts within it if it is a single message. */
type Counts = Map<number, { elements: number; readonly within: Counts }>;

function count(plan: Plan, reader: BinaryReader, end: number, path: string, counts: Counts): void {
  while (reader.pos < end) {
    const [number, wireType] = reader.tag();
    const step = plan.get(number);
    if (!step || wireType !== WireType.LengthDelimited) {
      // A single number that is not packed, or a field of no interest. For any other wire type protobuf-es,
      // which does not check it, would read as many bytes as the first one says.
      if (step && !isNumber(step.packed)) throw new RangeError("a field has a wrong wire type");
      if (step) add(step, counts, number, 1, path);
      reader.skip(wireType, number); // Its content is for protobuf-es to read, not for who counts.
      continue;
    }
    const length = reader.uint32();
    const stop = reader.pos + length;
    if (stop > end) throw new RangeError("a field ends after the end of its message");
    const { max, inner, packed } = step;
    if (max !== undefined) add(step, counts, number, countPacked(reader, stop, packed), path);
    if (inner && length > 0) {
      const within = max === undefined ? add(step, counts, number, 1, path).within : new Map();
      count(inner, reader, stop, `${path}${step.name}.`, within);
    }
    reader.pos = stop;
  }
  if (reader.pos !== end) throw new RangeError("a field ends after the end of its message");
}

function isNumber(scalar: ScalarType | undefined): boolean {
  return scalar !== undefined && scalar !== ScalarType.STRING && scalar !== ScalarType.BYTES;
}

function add({ name, max = Infinity }: Step, counts: Counts, number: number, more: number, path: string) {
  const counted = counts.get(number) ?? { elements: 0, within: new Map() };
  counted.elements += more;
  if (counted.elements > max) throw invalid(path + name, tooManyElements(max));
  counts.set(number, counted);
  return counted;
}

const FIXED_BYTES: Readonly<Partial<Record<ScalarType, number>>> = {
  [ScalarType.DOUBLE]: 8,
  [ScalarType.FIXED64]: 8,
  [ScalarType.SFIXED64]: 8,
  [ScalarType.FLOAT]: 4,
  [ScalarType.FIXED32]: 4,
  [ScalarType.SFIXED32]: 4,
};

/** Counts the elements of one packed piece of a repeated field. */
function countPacked(reader: BinaryReader, stop: number, packed: ScalarType | undefined): number {
  if (!isNumber(packed)) return 1;
  const fixed = FIXED_BYTES[packed!];
  if (fixed) return Math.ceil((stop - reader.pos) / fixed);
  let elements = 0;
  for (; reader.pos < stop; elements++) reader.skip(WireType.Varint); // To where the next one begins.
  return elements;
}
