import fc from "fast-check";
import pg from "pg";
import { expect, test } from "vitest";
import {
  DecodeError,
  toDecimal,
  toE4,
  toParameter,
  toTimestamptz,
  types,
} from "../src/db/engine/pg-types.ts";

const toMicros = types.getTypeParser(pg.types.builtins.TIMESTAMPTZ, "text") as (text: string) => bigint;

test("an amount is read from the decimal that it is written as", () => {
  const amounts = fc.oneof(fc.bigInt(-(10n ** 19n) + 1n, 10n ** 19n - 1n), fc.bigInt(-20_000n, 20_000n));

  fc.assert(fc.property(amounts, (amount) => toE4(toDecimal(amount)) === amount));
  expect([toE4("12.5"), toE4("7"), toDecimal(-1n), toDecimal(125_000n)]).toEqual([
    125_000n,
    70_000n,
    "-0.0001",
    "12.5000",
  ]);
});

test("an instant is written to the microsecond, before 1970 as well", () => {
  expect([-1n, 0n, 1_769_860_800_123_456n].map(toTimestamptz)).toEqual([
    "1969-12-31T23:59:59.999999Z",
    "1970-01-01T00:00:00.000000Z",
    "2026-01-31T12:00:00.123456Z",
  ]);
});

test("an instant is read to the microsecond, however many digits the server sends", () => {
  const texts = ["2026-01-31 12:00:00.123456+00", "2026-01-31 12:00:00.1+00", "2026-01-31 12:00:00+00:00"];

  expect(texts.map(toMicros)).toEqual([
    1_769_860_800_123_456n,
    1_769_860_800_100_000n,
    1_769_860_800_000_000n,
  ]);
});

const foreign = ["2026-01-31 12:00:00+09", "2026-01-31 12:00:00-05", "31/01/2026 12:00:00+00"];
const impossible = ["2026-13-31 12:00:00+00", "2026-01-31 25:00:00+00", "2026-01-31 12:61:00+00"];
test.each([...foreign, ...impossible, "infinity", "0044-03-15 12:00:00+00 BC"])(
  "an instant of another time zone, in another form or that is none is not read (%s)",
  (text) => {
    expect(() => toMicros(text)).toThrow(DecodeError);
  },
);

test("the elements of an array become its text only where none needs quotes", () => {
  const quoted = [["null"], ["NULL"], ["a,b"], [""], ["a b"], ['"'], ["{"], ["\\"], [null], ["a", undefined]];

  expect(quoted.map(toParameter)).toEqual(quoted);
  expect(toParameter([1, 2n, true, "4f-a", "9.99", "nullable"])).toBe("{1,2,true,4f-a,9.99,nullable}");
  expect([toParameter([]), toParameter("a,b"), toParameter(null)]).toEqual(["{}", "a,b", null]);
});
