import { appendFile, rm, stat, truncate } from "node:fs/promises";
import { Code } from "@connectrpc/connect";
import { type CommittedChunk, refusalOf } from "../../client/src/index.ts";
import type { Row } from "./rows.ts";

/**
 * Truncates the list of refused rows to its length when the resume file was written, and returns that length:
 * later rows will be answered, and listed, once more.
 */
export async function cutRefusals(file: string | undefined, bytes: number | undefined): Promise<number> {
  const about = file === undefined ? undefined : await stat(file).catch(() => undefined);
  if (file === undefined || !about?.isFile()) return 0;
  if (bytes === 0) await rm(file);
  else if (bytes !== undefined && bytes < about.size) await truncate(file, bytes);
  return Math.min(bytes ?? about.size, about.size);
}

/** Appends a chunk's refused rows, one line of JSON each, and returns the number of bytes. */
export async function listRefusals(
  file: string | undefined,
  { firstIndex, refused }: CommittedChunk,
  rows: readonly Row<unknown>[],
): Promise<number> {
  const lines = refused.map((each) => {
    const index = Number(each.index);
    const row = rows[index - Number(firstIndex)];
    const { code, reason, rawMessage } = refusalOf(each);
    // The service has not seen a row that could not be read.
    const why = row?.problem ?? rawMessage;
    return `${JSON.stringify({ index, line: row?.line, code: Code[code], reason, why })}\n`;
  });
  const text = lines.join("");
  if (file === undefined) process.stderr.write(text);
  else if (text !== "") await appendFile(file, text);
  return Buffer.byteLength(text);
}
