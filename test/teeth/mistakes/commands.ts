import type { Mutation } from "../mutation.ts";

const queue = "scripts/import/queue.ts";
const lines = "scripts/import/lines.ts";
const csv = "scripts/import/csv.ts";
const rows = "scripts/import/rows.ts";

/** Mistakes in the programs that people run. */
export const commands: readonly Mutation[] = [
  {
    file: queue,
    what: "an import goes on in a file whose rows have changed",
    from: "const isSame = checkpoint === undefined || last?.crc32 === checkpoint.crc32;",
    to: "const isSame = true;",
    tests: ["test/service/import-resume.test.ts"],
  },
  {
    file: queue,
    what: "requests have any number of bytes",
    from: "return end === -1 ? rows : rows.slice(0, end);",
    to: "return rows;",
    tests: ["test/import-parts.test.ts"],
  },
  {
    file: queue,
    what: "one row too few is acknowledged",
    from: "open.slice(0, lastIndex + 1 - nextIndex)",
    to: "open.slice(0, lastIndex - nextIndex)",
    tests: ["test/import-queue.test.ts"],
  },
  {
    file: lines,
    what: "CR that ends a piece of the input ends a line",
    from: "if (bytes[at] === cr && at + 1 === bytes.length && !isLast) return;",
    to: "",
    tests: ["test/import-rows.test.ts"],
  },
  {
    file: lines,
    what: "the byte order mark is a part of the first line",
    from: 'isFirst ? text.replace(/^\\u{FEFF}/u, "") : text',
    to: "text",
    tests: ["test/import-rows.test.ts"],
  },
  {
    file: csv,
    what: "a record may be of any width",
    from: "if (open.length > 1 && width !== undefined && cells.length !== width) return refuseFirst();",
    to: "",
    tests: ["test/import-refusals.test.ts"],
  },
  {
    file: csv,
    what: "a doubled quote stays doubled",
    from: ".replaceAll('\"\"', '\"')",
    to: "",
    tests: ["test/import-parts.test.ts"],
  },
  {
    file: rows,
    what: "a column may stand twice in the heading",
    from: "if (repeated.length > 0)",
    to: "if (repeated.length < 0)",
    tests: ["test/import-refusals.test.ts"],
  },
  {
    file: rows,
    what: "an array of JSON is read as rows",
    from: 'if (!isBegun && filled[0]?.text.trimStart().startsWith("["))',
    to: "if (false)",
    tests: ["test/import-refusals.test.ts", "test/service/import-cli.test.ts"],
  },
  {
    file: "scripts/import/numbers.ts",
    what: "a number that JSON rounds is imported",
    from: 'if (typeof value === "number" && !Number.isSafeInteger(value))',
    to: "if (false)",
    tests: ["test/import-refusals.test.ts"],
  },
  {
    file: "scripts/import/refusals.ts",
    what: "rows that were listed behind the resume file are listed twice",
    from: "else if (bytes !== undefined && bytes < about.size) await truncate(file, bytes);",
    to: "",
    tests: ["test/service/import-resume.test.ts", "test/import-parts.test.ts"],
  },
  {
    file: "scripts/import/resume.ts",
    what: "a resume file is taken for another request id",
    from: "if (stored && requestId !== undefined && stored.requestId !== requestId)",
    to: "if (false)",
    tests: ["test/service/import-cli.test.ts", "test/import-parts.test.ts"],
  },
  {
    file: "scripts/import/source.ts",
    what: "a file that has grown since is imported already",
    from: "const crc = about.size === checkpoint.bytes ? await readChecksum(file) : undefined;",
    to: "const crc = about.size >= checkpoint.bytes ? checkpoint.crc32 : undefined;",
    tests: ["test/service/import-cli.test.ts"],
  },
  {
    file: "scripts/import.ts",
    what: "an import with refused rows ends with 0",
    from: "return refused > 0 ? 1 : 0;",
    to: "return 0;",
    tests: ["test/service/import-cli.test.ts"],
  },
  {
    file: "scripts/import.ts",
    what: "the request id is not kept before the first row is sent",
    from: "  await writeState(resume, state);\n  const progress",
    to: "  const progress",
    tests: ["test/service/import-resume.test.ts", "test/service/import-cli.test.ts"],
  },
  {
    file: "scripts/migrate.ts",
    what: "--status applies what is lacking",
    from: "if (values.status) await printStatus(connection, engine);\n  else {",
    to: "if (values.status) await printStatus(connection, engine);\n  {",
    tests: ["test/migrate-command.test.ts"],
  },
  {
    file: "scripts/migrate.ts",
    what: "a wrong environment ends it with 1",
    from: "return wrong ? 2 : 1;",
    to: "return 1;",
    tests: ["test/migrate-command.test.ts"],
  },
  {
    file: "scripts/explain.ts",
    what: "an engine that there is not is taken",
    from: "if (texts !== values.texts)",
    to: "if (false)",
    tests: ["test/explain.test.ts"],
  },
];
