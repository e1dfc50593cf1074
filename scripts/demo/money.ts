import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Money, MoneySchema } from "../../client/src/gen/google/type/money_pb.ts";

const nanosPerUnit = 1_000_000_000n;
const currencyCode = "EUR";

/** Converts a non-negative amount in nanos of the currency. */
export function toMoney(nanos: bigint): MessageInitShape<typeof MoneySchema> {
  return { currencyCode, units: nanos / nanosPerUnit, nanos: Number(nanos % nanosPerUnit) };
}

/** Returns the amount in nanos of the currency; zero if undefined. */
export function toNanos(money: Money | undefined): bigint {
  return money === undefined ? 0n : money.units * nanosPerUnit + BigInt(money.nanos);
}

/** Formats an amount with all of its four decimals. */
export function formatNanos(nanos: bigint): string {
  const decimals = String((nanos % nanosPerUnit) / 100_000n).padStart(4, "0");
  return `${(nanos / nanosPerUnit).toLocaleString("en-US")}.${decimals} ${currencyCode}`;
}

/** Parses a decimal such as 9.99 into units and nanos. */
export function parseDecimal(text: string): { units: bigint; nanos: number } {
  const [, units, decimals = ""] = /^(\d{1,15})(?:\.(\d{1,9}))?$/.exec(text) ?? [];
  if (units === undefined) throw new Error(`the price ${text} is not a decimal such as 9.99`);
  return { units: BigInt(units), nanos: Number(decimals.padEnd(9, "0")) };
}
