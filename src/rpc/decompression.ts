import { promisify } from "node:util";
import * as zlib from "node:zlib";
import { DomainError } from "../db/errors.ts";
import { MALFORMED_REQUEST, tooLarge } from "./status.ts";

export type Encoding = "gzip" | "deflate" | "br";
const how = {
  gzip: promisify(zlib.gunzip),
  deflate: promisify(zlib.inflate),
  br: promisify(zlib.brotliDecompress),
} as const;
export function decompressedBytesMax(_bytes: number, bytesMax: number): number {
  return bytesMax;
}
export async function decompress(
  bytes: Uint8Array,
  encoding: Encoding,
  bytesMax: number,
): Promise<Uint8Array> {
  try {
    return await how[encoding](bytes, { maxOutputLength: bytesMax } as zlib.ZlibOptions);
  } catch (error) {
    if ((error as { code?: string }).code === "ERR_BUFFER_TOO_LARGE") throw tooLarge(bytesMax);
    throw new DomainError("invalid", MALFORMED_REQUEST, "the request cannot be decompressed");
  }
}
