import { ScalarType, type DescMessage } from "@bufbuild/protobuf";
import { OrderDraftSchema } from "../../src/gen/commerce/order/v1/order_service_pb.ts";

/** The integers of an order, by the names that they may have in JSON. */
const integers = new Set(namesOfIntegers(OrderDraftSchema));
/**
 * Where a value that is no object or array comes from; what JSON.parse is typed with does not know it yet.
 */
type Context = { readonly source?: string };
const wholeNumber = /^"?(0|-?[1-9]\d*)"?$/;

/**
 * Throws for JSON of an order with a number that would not be stored as it stands there: JSON.parse rounds
 * what has more than 53 bits, and proto3 JSON takes null, and some strings, for numbers that they may not
 * mean.
 */
export function expectExactNumbers(text: string): void {
  JSON.parse(text, (key, value: unknown, { source }: Context = {}) => {
    if (source === undefined || !integers.has(key)) return value;
    if (!wholeNumber.test(source)) throw new Error(`${key}: ${source} is not a whole number in plain digits`);
    if (typeof value === "number" && !Number.isSafeInteger(value))
      throw new Error(`${key}: ${source} is too large for a number of JSON; put it in quotes`);
    return value;
  });
}

function namesOfIntegers(schema: DescMessage): string[] {
  return schema.fields.flatMap((field) => {
    if (field.message) return namesOfIntegers(field.message);
    const isInteger = field.scalar === ScalarType.INT32 || field.scalar === ScalarType.INT64;
    return isInteger ? [field.name, field.jsonName] : [];
  });
}
