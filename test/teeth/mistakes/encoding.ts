import type { Mutation } from "../mutation.ts";

const encoding = "src/rpc/wire.ts";
const columns = "src/db/engine/columns.ts";
const query = "src/db/engine/query.ts";
const read = ["test/service/columns.test.ts"];
const encoded = ["test/encoding.test.ts"];
const together = ["test/service/statements-together.test.ts"];

/** Mistakes in how answers are written, and rows read. */
export const encodings: readonly Mutation[] = [
  {
    file: encoding,
    what: "a number that is not a safe integer is rounded",
    from: "number > Number.MAX_SAFE_INTEGER",
    to: "number > 2 ** 60",
    tests: encoded,
  },
  {
    file: encoding,
    what: "a text that may need two bytes for its length gets one",
    from: "const shortMax = 42;",
    to: "const shortMax = 43;",
    tests: encoded,
  },
  {
    file: encoding,
    what: "a message of 128 bytes gets one byte for its length",
    from: "if (length < 0x80) {",
    to: "if (length <= 0x80) {",
    tests: encoded,
  },
  {
    file: encoding,
    what: "bytes that do not fit into the room are lost",
    from: "bytes.copy(larger, 0, 0, at);",
    to: "",
    tests: encoded,
  },
  {
    file: query,
    what: "a statement that is twice in a round trip is prepared twice",
    from: "earlier.add(name);",
    to: "",
    tests: together,
  },
  {
    file: query,
    what: "the rows of a statement are read as those of the one before it",
    from: "this.#reader = this.#readers?.get(this.name);",
    to: "",
    tests: together,
  },
  {
    file: "src/gen/encoders.ts",
    what: "fields that are not known are left out",
    from: "if ($unknown !== undefined) wire.rare();\n  if (currencyCode",
    to: "if (currencyCode",
    tests: encoded,
  },
  {
    file: columns,
    what: "an int8 that is not a safe integer is rounded",
    from: "Number.isSafeInteger(number) ? BigInt(number) : bytes.readBigInt64BE(at)",
    to: "BigInt(number)",
    tests: read,
  },
  {
    file: columns,
    what: "a negative decimal loses its sign",
    from: "BigInt(sign === negative ? -amount : amount)",
    to: "BigInt(amount)",
    tests: read,
  },
  {
    file: columns,
    what: "infinity is an instant",
    from: "instant < instantMin || instant > instantMax",
    to: "instant < instantMin",
    tests: read,
  },
  {
    file: columns,
    what: "a text that is remembered stands for all of its length, first and last letter",
    from: "if (text.charCodeAt(n) !== bytes[at + n]) return false;",
    to: "if (n === 0 && text.charCodeAt(n) !== bytes[at + n]) return false;",
    tests: read,
  },
  {
    file: columns,
    what: "a decimal is read though it is no number",
    from: "if (sign !== positive && sign !== negative)",
    to: "if (sign < 0)",
    tests: ["test/service/settings.test.ts"],
  },
  {
    file: query,
    what: "a row that cannot be read is left out",
    from: "this.#failure = error;",
    to: "",
    tests: ["test/service/settings.test.ts"],
  },
];
