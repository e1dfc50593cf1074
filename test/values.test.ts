import fc from "fast-check";
import { expect, test } from "vitest";
import { toDecimal, toE4, toParameter, toTimestamptz } from "../src/db/engine/pg-types.ts";

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

test("parameters are written as the server reads them", () => {
  const quoted = ["null", "NULL", "a,b", "", "a b", '"', "{", "\\", null, undefined];

  expect(toParameter(quoted)).toBe('{"null","NULL","a,b","","a b","\\"","{","\\\\",NULL,NULL}');
  expect(toParameter([1, 2n, true, "4f-a", "9.99", "nullable"])).toBe("{1,2,true,4f-a,9.99,nullable}");
  expect([[], "a,b", 17, 2n ** 63n, false, null, undefined].map(toParameter)).toEqual([
    "{}",
    "a,b",
    "17",
    "9223372036854775808",
    "false",
    null,
    null,
  ]);
});
