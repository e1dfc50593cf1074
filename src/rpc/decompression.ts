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

/** How messages may be compressed. */
export type Encoding = keyof typeof DECOMPRESS;

/** The encoding of a name, if it is one of these. */
export function findEncoding<E extends Encoding>(known: readonly E[], name: string | null): E | undefined {
  return known.find((each) => each === name);
}

/** The most bytes that a message of so many may become where its method takes `bytesMax`. */
export function decompressedBytesMax(bytes: number, bytesMax: number): number {
  const { decompressedFloorBytes, decompressionRatio } = bounds;
  return Math.min(bytesMax, Math.max(decompressedFloorBytes.max, bytes * decompressionRatio.max));
}

/**
 * Decompresses a message, off the event loop. Rejects with a DomainError where it is broken, or would become
 * larger than `bytesMax` or than its ratio may be; no more than that is decompressed.
 */
export async function decompress(
  bytes: Uint8Array,
  encoding: Encoding,
  bytesMax: number,
): Promise<Uint8Array> {
  // What some callers make of an empty message.
  if (bytes.length === 0) return bytes;
  const maxOutputLength = decompressedBytesMax(bytes.length, bytesMax);
  try {
    return await DECOMPRESS[encoding](bytes, { maxOutputLength });
  } catch (error) {
    if (systemCodeOf(error) !== "ERR_BUFFER_TOO_LARGE")
      throw malformed(`the request cannot be decompressed as ${encoding}`);
    if (maxOutputLength === bytesMax) throw tooLarge(bytesMax);
    const { reason, max } = bounds.decompressionRatio;
    throw createError(reason, `the message is over ${max} times as large as it was sent`);
  }
}
