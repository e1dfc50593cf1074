// Writes client/src/gen/reasons.ts, or the file that is its argument: what the client knows of each reason.
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { type Reason, reasons } from "../src/errors.ts";

const names = (Object.keys(reasons) as Reason[]).toSorted();

const text = `// Written by \`npm run generate\` from the catalogue of reasons.

/** Whether a call may be made again, unchanged, after an error of each reason. */
export const repeats = {
${names.map((name) => `  ${name}: "${reasons[name].repeat}",\n`).join("")}} as const;

/** The facts of errors of each reason: the metadata of their google.rpc.ErrorInfo, as texts. */
export type FactsByReason = {
${names.map((name) => `  readonly ${name}: ${toType(reasons[name].metadata)};\n`).join("")}};
`;

const file = process.argv[2] ?? path.join(import.meta.dirname, "..", "client/src/gen/reasons.ts");
await writeFile(file, text);

/** The type of the facts; each key that is not always there says when it is. */
function toType(metadata: Readonly<Record<string, string>> = {}): string {
  const keys = Object.entries(metadata).map(([key, when]) => {
    const name = key.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
    return when === "always" ? `readonly ${name}: string` : `/** ${when} */ readonly ${name}?: string`;
  });
  return keys.length === 0 ? "Readonly<Record<never, string>>" : `{ ${keys.join("; ")} }`;
}
