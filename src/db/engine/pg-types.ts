import pg from "pg";

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

/** What both engines print for a timestamptz in a session in UTC: "2026-01-31 12:00:00.123456+00". */
const timestamp = /^\d{4}-\d\d-\d\d ([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?\+00(:00)?$/;
const [hourMs, minuteMs, secondMs] = [3_600_000, 60_000, 1_000];

/** The last day that was read and when it began: parsing is slow, and the rows of a page mostly share one. */
let [knownDay, knownDayMs] = ["", NaN];

function toMicros(text: string): Micros {
  if (!timestamp.test(text)) throw new Error(`no timestamp in UTC as ISO writes it: ${text}`);
  const day = text.slice(0, 10);
  if (day !== knownDay) [knownDay, knownDayMs] = [day, Date.parse(`${day}T00:00:00Z`)];
  const ms =
    knownDayMs +
    Number(text.slice(11, 13)) * hourMs +
    Number(text.slice(14, 16)) * minuteMs +
    Number(text.slice(17, 19)) * secondMs;
  const fraction = Number(text.slice(20, text.indexOf("+", 19)).padEnd(6, "0"));
  const micros = ms * 1_000 + fraction;
  return Number.isSafeInteger(micros) ? BigInt(micros) : BigInt(ms) * 1_000n + BigInt(fraction);
}

/** Writes an instant so that both engines read it back to the microsecond. */
export function toTimestamptz(instant: Micros): string {
  const micros = ((instant % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const seconds = new Date(Number((instant - micros) / 1000n)).toISOString().slice(0, 19);
  return `${seconds}.${micros.toString().padStart(6, "0")}Z`;
}

/** What needs no quotes in an array's text: UUIDs, decimals, words; but `null` there is no word. */
const plain = /^(?!null$)[\w.-]+$/i;
const plainTypes: ReadonlySet<string> = new Set(["number", "bigint", "boolean"]);

/**
 * Writes a parameter as node-postgres is to send it. Arrays become their text here where no element needs
 * quotes: node-postgres quotes each element, and a chunk of an import has 40,000.
 */
export function toParameter(value: unknown): unknown {
  if (!Array.isArray(value)) return value;
  const elements: readonly unknown[] = value;
  const isPlain = (element: unknown): boolean =>
    typeof element === "string" ? plain.test(element) : plainTypes.has(typeof element);
  return elements.every(isPlain) ? `{${elements.join(",")}}` : elements;
}

/** What the database sent cannot be read. The statement has run all the same; run again, it ends the same. */
export class DecodeError extends Error {
  constructor(cause: unknown) {
    super("a value from the database cannot be read", { cause });
    this.name = "DecodeError";
  }
}

const parsers: Record<number, (text: string) => unknown> = {
  [pg.types.builtins.INT8]: decoding(BigInt),
  [pg.types.builtins.NUMERIC]: decoding(toE4),
  [pg.types.builtins.TIMESTAMPTZ]: decoding(toMicros),
};

function decoding<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      throw new DecodeError(error);
    }
  };
}

/**
 * How result columns become values on our connections. node-postgres would lose microseconds and round
 * nothing else.
 */
export const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: "text") =>
    parsers[oid] ?? pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
};
