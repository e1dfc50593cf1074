import type { Mutation } from "../mutation.ts";

const encoding = "src/rpc/wire.ts";
const encoded = ["test/encoding.test.ts"];

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
    file: "src/gen/encoders.ts",
    what: "fields that are not known are left out",
    from: "if ($unknown !== undefined) wire.rare();\n  if (currencyCode",
    to: "if (currencyCode",
    tests: encoded,
  },
];
