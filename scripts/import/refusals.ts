import { appendFile, rm, stat, truncate } from "node:fs/promises";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import type { CommittedChunk } from "../../src/gen/commerce/order/v1/order_service_pb.ts";
import { ErrorInfoSchema } from "../../src/gen/google/rpc/error_details_pb.ts";
import type { Row } from "./rows.ts";

/**
 * Makes the list of refused rows as long as it was when the resume file was written, and returns how long it
 * is: rows that were listed behind that are answered, and listed, once more.
 */
export async function cutRefusals(file: string | undefined, bytes: number | undefined): Promise<number> {
  const about = file === undefined ? undefined : await stat(file).catch(() => undefined);
  if (file === undefined || !about?.isFile()) return 0;
  if (bytes === 0) await rm(file);
  else if (bytes !== undefined && bytes < about.size) await truncate(file, bytes);
  return Math.min(bytes ?? about.size, about.size);
}

/** Lists a chunk's refused rows, a line of JSON for each, and returns how many bytes these are. */
export async function listRefusals(
  file: string | undefined,
  { firstIndex, refused }: CommittedChunk,
  rows: readonly Row<unknown>[],
): Promise<number> {
  const lines = refused.map(({ index, status }) => {
    const row = rows[Number(index - firstIndex)];
    const [info] = status!.details.flatMap((detail) => anyUnpack(detail, ErrorInfoSchema) ?? []);
    // Of a row that could not be read, the service has seen nothing.
    const why = row?.problem ?? status!.message;
    const code = Code[status!.code] ?? status!.code;
    return `${JSON.stringify({ index: Number(index), line: row?.line, code, reason: info?.reason, why })}\n`;
  });
  const text = lines.join("");
  if (file === undefined) process.stderr.write(text);
  else if (text !== "") await appendFile(file, text);
  return Buffer.byteLength(text);
}
