import { ScalarType, type DescMessage } from "@bufbuild/protobuf";
import { OrderDraftSchema } from "../../client/src/index.ts";

/** Names of an order's integer fields in JSON. */
const integers = new Set(namesOfIntegers(OrderDraftSchema));
/** JSON.parse's third argument for primitive values; TypeScript's type lacks it. */
type Context = { readonly source?: string };
const wholeNumber = /^"?(0|-?[1-9]\d*)"?$/;

/**
 * Throws for an order's JSON with a number that would not be stored exactly: JSON.parse rounds above 53 bits,
 * and proto3 JSON accepts null, and some strings, as numbers that may not be meant.
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
