import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { within } from "../../src/db/engine/database.ts";
import { DecodeError, toDecimal } from "../../src/db/engine/pg-types.ts";
import { statement } from "../../src/db/engine/statement.ts";
import { createTestDatabase } from "../support/databases.ts";
import { deadline, openDatabase, reasonOf } from "../support/pools.ts";

/** One row of each type that the service's statements answer with, from what it is printed as. */
const values = {
  bool: "bool",
  int4: "int4",
  int8: "int8",
  float8: "float8",
  text: "text",
  uuid: "uuid",
  uuids: "uuid[]",
  decimal: "decimal(19, 4)",
  instant: "timestamptz",
  json: "jsonb",
} as const;
type Row = Readonly<Record<keyof typeof values, unknown>>;
const casts = Object.entries(values).map(([name, type], n) => `$${n + 1}::text::${type} as "${name}"`);
const selectValues = statement<Row>("test.values", `select ${casts.join(", ")}`);

const selectText = statement<{ readonly text: string }>("test.text", "select $1::text as text");
const selectInstant = statement("test.instant", "select $1::text::timestamptz as instant");
const selectDecimal = statement("test.decimal", "select $1::text::decimal as amount");

/** Microseconds since 1970 as a server reads them. */
function toText(micros: bigint): string {
  const [whole, part] = [micros / 1_000_000n, micros % 1_000_000n];
  const [seconds, fraction] = part < 0n ? [whole - 1n, part + 1_000_000n] : [whole, part];
  const instant = new Date(Number(seconds) * 1_000).toISOString().slice(0, 19);
  return `${instant}.${String(fraction).padStart(6, "0")}Z`;
}

const long = fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n);
const digits = fc.oneof(fc.bigInt(-(10n ** 19n) + 1n, 10n ** 19n - 1n), fc.bigInt(-20_000n, 20_000n));
const row = fc.record({
  bool: fc.boolean(),
  int4: fc.integer(),
  int8: fc.oneof(long, fc.bigInt(-3n, 3n)),
  float8: fc.integer(),
  // Some are as short as those that are remembered.
  text: fc.oneof(fc.constantFrom("", "pending", "EUR"), fc.string({ unit: "grapheme", maxLength: 40 })),
  uuid: fc.uuid(),
  uuids: fc.array(fc.uuid(), { maxLength: 3 }),
  decimal: digits,
  instant: fc.bigInt(-62_135_596_800_000_000n, 253_402_300_799_999_999n),
  json: fc.json().map((text): unknown => JSON.parse(text.replaceAll("\\u0000", ""))),
});

function toTexts(sent: typeof row extends fc.Arbitrary<infer T> ? T : never): Record<keyof Row, string> {
  return {
    bool: String(sent.bool),
    int4: String(sent.int4),
    int8: String(sent.int8),
    float8: String(sent.float8),
    text: sent.text,
    uuid: sent.uuid,
    uuids: `{${sent.uuids.join(",")}}`,
    decimal: toDecimal(sent.decimal),
    instant: toText(sent.instant),
    json: JSON.stringify(sent.json),
  };
}

const { connection, ...database } = await createTestDatabase();
afterAll(() => database[Symbol.asyncDispose]());

test("values are read as they were written", async () => {
  const db = openDatabase(connection);

  await fc.assert(
    fc.asyncProperty(row, async (sent) => {
      const texts = toTexts({ ...sent, text: sent.text.replaceAll("\0", "") });

      const [read] = await within(db, deadline())(selectValues, Object.values(texts));

      expect(read).toEqual({ ...sent, text: texts.text });
    }),
    { numRuns: 300 },
  );
});

test("texts of the same length, first and last letter are told apart, however often they are read", async () => {
  const db = openDatabase(connection);
  const read = async (text: string): Promise<unknown> => {
    const [found] = await within(db, deadline())(selectText, [text]);
    return found!.text;
  };
  const texts = ["abcd", "axyd", "abcd", "åb", "åb", "a\u0301", "EUR", "EoR"];

  const found = [];
  for (const text of texts) found.push(await read(text));

  expect(found).toEqual(texts);
});

test.each(["infinity", "-infinity", "0044-03-15 12:00:00+00 BC", "12026-01-01 00:00:00+00"])(
  "an instant that the contract's messages cannot tell is not read (%s)",
  async (text) => {
    const db = openDatabase(connection);

    const failed = await reasonOf(within(db, deadline())(selectInstant, [text]));

    expect(failed).toBeInstanceOf(DecodeError);
  },
);

test.each(["0.00001", "NaN", "-1.23456789"])("a decimal that is no E4 is not read (%s)", async (text) => {
  const db = openDatabase(connection);

  const failed = await reasonOf(within(db, deadline())(selectDecimal, [text]));

  expect(failed).toBeInstanceOf(DecodeError);
});

test("nulls are read as nulls, in columns of all types", async () => {
  const db = openDatabase(connection);

  const rows = await within(db, deadline())(
    selectValues,
    Object.keys(values).map(() => null),
  );

  expect(rows).toEqual([Object.fromEntries(Object.keys(values).map((name) => [name, null]))]);
});
