import { promisify } from "node:util";
import { brotliDecompress, gunzip, inflate } from "node:zlib";
import { bounds } from "../bounds.ts";
import { createError, malformed, tooLarge } from "../errors.ts";
import { systemCodeOf } from "../system-errors.ts";

const DECOMPRESS = {
  gzip: promisify(gunzip),
  deflate: promisify(inflate),
  br: promisify(brotliDecompress),
} as const;

/** Supported encodings of messages. */
export type Encoding = keyof typeof DECOMPRESS;

/** Returns the encoding with this name, if it is one of those given. */
export function findEncoding<E extends Encoding>(known: readonly E[], name: string | null): E | undefined {
  return known.find((each) => each === name);
}

/**
 * Returns the most bytes that a compressed message of `bytes` bytes may become if its method takes
 * `bytesMax`.
 */
export function decompressedBytesMax(bytes: number, bytesMax: number): number {
  const { decompressedFloorBytes, decompressionRatio } = bounds;
  return Math.min(bytesMax, Math.max(decompressedFloorBytes.max, bytes * decompressionRatio.max));
}

/**
 * Decompresses a message, off the event loop. Rejects with a DomainError if it is broken, or would exceed
 * `bytesMax` or the decompression ratio; nothing beyond that is decompressed.
 */
export async function decompress(
  bytes: Uint8Array,
  encoding: Encoding,
  bytesMax: number,
): Promise<Uint8Array> {
  // Some callers send an empty message like this.
  if (bytes.length === 0) return bytes;
  const maxOutputLength = decompressedBytesMax(bytes.length, bytesMax);
  try {
    return await DECOMPRESS[encoding](bytes, { maxOutputLength });
  } catch (error) {
    if (systemCodeOf(error) !== "ERR_BUFFER_TOO_LARGE")
      throw malformed(`the request cannot be decompressed as ${encoding}`);
    if (maxOutputLength === bytesMax) throw tooLarge(bytesMax);
    const { reason, max } = bounds.decompressionRatio;
    throw createError(reason, `the message decompresses to over ${max} times its size`);
  }
}
