/** An instant, in microseconds since 1970: all that a timestamptz holds. */
export type Micros = bigint;

/** An amount of money in ten-thousandths of the currency's unit: all that a decimal(19, 4) holds. */
export type E4 = bigint;

/** The largest amount that fits into a decimal(19, 4). */
export const e4Max: E4 = 10n ** 19n - 1n;

/** Reads a decimal with at most four decimals, such as "12.5" or "-0.0001". */
export function toE4(decimal: string): E4 {
  const [whole = "0", fraction = ""] = decimal.split(".");
  const digits = BigInt(whole + fraction.padEnd(4, "0"));
  return digits;
}

/** Writes an amount as a decimal with four decimals. */
export function toDecimal(amount: E4): string {
  const sign = amount < 0n ? "-" : "";
  const digits = (amount < 0n ? -amount : amount).toString().padStart(5, "0");
  return `${sign}${digits.slice(0, -4)}.${digits.slice(-4)}`;
}

/** The instants of the years 1 to 9999, which the contract's messages can tell. */
export const [instantMin, instantMax]: readonly [Micros, Micros] = [
  -62_135_596_800_000_000n,
  253_402_300_799_999_999n,
];

/** Writes an instant so that both engines read it back to the microsecond. */
export function toTimestamptz(instant: Micros): string {
  const micros = ((instant % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const seconds = new Date(Number((instant - micros) / 1000n)).toISOString().slice(0, 19);
  return `${seconds}.${micros.toString().padStart(6, "0")}Z`;
}

/** What needs no quotes in an array's text: UUIDs, decimals, words; but `null` there is no word. */
const plain = /^(?!null$)[\w.-]+$/i;
const plainTypes: ReadonlySet<string> = new Set(["number", "bigint", "boolean"]);

type Scalar = string | number | bigint | boolean | null | undefined;

/** Writes a parameter, a scalar or an array of them, as the server reads it; null for what is not given. */
export function toParameter(value: unknown): string | null {
  if (Array.isArray(value)) return `{${(value as Scalar[]).map(toElement).join(",")}}`;
  const scalar = value as Scalar;
  return scalar === null || scalar === undefined ? null : String(scalar);
}

function toElement(element: Scalar): string {
  if (element === null || element === undefined) return "NULL";
  const text = String(element);
  if (plainTypes.has(typeof element) || plain.test(text)) return text;
  return `"${text.replaceAll(/["\\]/g, "\\$&")}"`;
}

/** What the database sent cannot be read. The statement has run all the same; run again, it ends the same. */
export class DecodeError extends Error {
  constructor(cause: unknown) {
    super("a value from the database cannot be read", { cause });
    this.name = "DecodeError";
  }
}
