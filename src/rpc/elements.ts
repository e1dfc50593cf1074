import { type DescField, type DescMessage, getOption, ScalarType } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { field as rulesOf, Ignore } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { bounds } from "../bounds.ts";
import { invalid } from "../errors.ts";

/** Throws a DomainError where a field of a message has too many elements; nothing is decoded. */
export type CountElements = (bytes: Uint8Array) => void;

/** The field whose elements the contract lets us judge one by one: the rows of an import, if it is one. */
export function findRowsField({ fields }: DescMessage): DescField | undefined {
  return fields.find(
    (field) =>
      field.fieldKind === "list" &&
      field.message !== undefined &&
      getOption(field, rulesOf).ignore === Ignore.ALWAYS,
  );
}

/** How many elements a field of many may have: by its rule in the contract, or by default. */
export function elementsMaxOf(field: DescField): number {
  const { type } = getOption(field, rulesOf);
  if (type.case === "repeated" && type.value.maxItems > 0n) return Number(type.value.maxItems);
  if (type.case === "map" && type.value.maxPairs > 0n) return Number(type.value.maxPairs);
  return bounds.elements.max;
}

/** What is said of a field with too many elements, in the words of its rule. */
export function tooManyElements(max: number): string {
  return `must contain no more than ${max} item(s)`;
}

/** What is to be counted in a message, by the numbers of its fields. */
type Plan = ReadonlyMap<number, Step>;
type Step = {
  readonly name: string;
  /** Of a field of many. */
  readonly max?: number;
  /** Of one whose elements may stand together in one piece. */
  readonly packed?: ScalarType | undefined;
  /** What is to be counted within. */
  readonly inner?: Plan | undefined;
};

/**
 * Makes what counts the elements in messages of a kind before they are decoded: millions of empty ones fit
 * into a few megabytes. Undefined where there is nothing to count.
 */
export function createElementCount(schema: DescMessage): CountElements | undefined {
  const plan = toPlan(schema, new Map());
  return plan && ((bytes) => count(plan, new BinaryReader(bytes), bytes.length, "", new Map()));
}

/** Undefined where nothing is to be counted. A message within itself has the plan of the outer one. */
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

/** How often a field was met in a message, and the counts within, where the field is one message. */
type Counts = Map<number, { elements: number; readonly within: Counts }>;

function count(plan: Plan, reader: BinaryReader, end: number, path: string, counts: Counts): void {
  while (reader.pos < end) {
    const [number, wireType] = reader.tag();
    const step = plan.get(number);
    if (!step || wireType !== WireType.LengthDelimited) {
      // One number that is not packed, or nothing of interest. Of anything else protobuf-es would read as
      // many bytes as the first one says: it looks at no wire type.
      if (step && !isNumber(step.packed)) throw new RangeError("a field has a wrong wire type");
      if (step) add(step, counts, number, 1, path);
      reader.skip(wireType, number);
      continue;
    }
    const length = reader.uint32();
    const stop = reader.pos + length;
    if (stop > end) throw new RangeError("a field ends behind the end of its message");
    const { max, inner, packed } = step;
    if (max !== undefined) add(step, counts, number, countPacked(reader, stop, packed), path);
    if (inner && length > 0) {
      const within = max === undefined ? add(step, counts, number, 1, path).within : new Map();
      count(inner, reader, stop, `${path}${step.name}.`, within);
    }
    reader.pos = stop;
  }
  if (reader.pos !== end) throw new RangeError("a field ends behind the end of its message");
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

/** The elements of one piece of a field of many. */
function countPacked(reader: BinaryReader, stop: number, packed: ScalarType | undefined): number {
  if (!isNumber(packed)) return 1;
  const fixed = FIXED_BYTES[packed!];
  if (fixed) return Math.ceil((stop - reader.pos) / fixed);
  let elements = 0;
  for (; reader.pos < stop; elements++) reader.skip(WireType.Varint);
  return elements;
}
