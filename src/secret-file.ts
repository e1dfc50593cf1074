import { readFileSync } from "node:fs";

/** The text of a file with a secret, without the end of its last line. */
export function readSecret(path: string): string {
  const text = readFileSync(path, "utf8").replace(/\r?\n$/, "");
  if (text === "") throw new TypeError("empty");
  return text;
}
