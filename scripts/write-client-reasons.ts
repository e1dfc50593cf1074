// Writes client/src/gen/reasons.ts, or the file that is its argument, from the reasons in the contract.
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { type DescEnumValue, getOption } from "@bufbuild/protobuf";
import {
  ErrorReasonSchema,
  type MetadataKey,
  reason,
  RepeatSchema,
} from "../src/gen/commerce/errors/v1/error_reason_pb.ts";
import { toFactName } from "../client/src/fact-name.ts";
import { paragraphsOf, readContract } from "./contract.ts";

// The generated descriptor has no comments.
const values = (readContract().getEnum(ErrorReasonSchema.typeName)?.values ?? [])
  .filter(({ number }) => number !== 0)
  .toSorted((a, b) => (a.name < b.name ? -1 : 1));

const text = `// Written by \`npm run generate\` from the reasons in proto/commerce/errors/v1/.

/** Whether a call may be made again, unchanged, after an error of each reason. */
export const repeats = {
${values.map((value) => `  ${value.name}: "${toRepeat(value)}",\n`).join("")}} as const;

/** The facts of errors of each reason: the metadata of their google.rpc.ErrorInfo, as texts. */
export type FactsByReason = {
${values.map(toProperty).join("")}};
`;

const file = process.argv[2] ?? path.join(import.meta.dirname, "..", "client/src/gen/reasons.ts");
await writeFile(file, text);

function toRepeat(value: DescEnumValue): string {
  const repeat = RepeatSchema.value[getOption(value, reason).repeat];
  if (repeat === undefined) throw new Error(`${value.name} does not say whether to repeat`);
  return repeat.localName.toLowerCase();
}

/** What the reason means as a comment, and its facts as a type. */
function toProperty(value: DescEnumValue): string {
  const facts = getOption(value, reason).metadata.map(toFact);
  const type = facts.length === 0 ? "Readonly<Record<never, string>>" : `{\n${facts.join("")}  }`;
  return `  /** ${paragraphsOf(value).join(" ")} */\n  readonly ${value.name}: ${type};\n`;
}

function toFact({ key, when, value }: MetadataKey): string {
  const name = toFactName(key);
  const comment = when === "" ? value : `${value} (${when})`;
  return `    /** ${comment} */\n    readonly ${name}${when === "" ? "" : "?"}: string;\n`;
}
