import { bounds } from "../bounds.ts";
import { createError, type DomainError, malformed, tooLarge } from "../errors.ts";

/** The error for a request that ends within a message. */
export const cutOff = malformed("the request ends in the middle of a message");

const badFlag = malformed("the request has a message with an unknown flag");

/** Receives the content of frames, in order. */
export type FrameSink = {
  readonly begin: (flag: number) => void;
  /** Bytes of the current message. */
  readonly add?: (bytes: Uint8Array) => void;
  /** The current message is complete. */
  readonly end: () => void;
};

/** Reads the frames of a request. */
export type Frames = {
  /** Reads the next bytes. Throws a DomainError for a prefix that announces too much. */
  readonly see: (bytes: Uint8Array) => void;
  /** Whether the bytes so far end within a message. */
  readonly isCut: () => boolean;
};

/** The prefix of each message: a flag, and the length in four bytes. */
export const PREFIX_BYTES = 5;

/** Whether the bytes, which begin a message, are exactly that message. */
export function isOneFrame(bytes: Uint8Array, bytesMax: number): boolean {
  if (bytes.length < PREFIX_BYTES || bytes.length > bytesMax + PREFIX_BYTES) return false;
  const length = bytes[1]! * 2 ** 24 + bytes[2]! * 2 ** 16 + bytes[3]! * 2 ** 8 + bytes[4]!;
  return length + PREFIX_BYTES === bytes.length;
}

/**
 * Reads the frames of gRPC and of Connect's streams. A message that is too large is refused at its prefix,
 * before it arrives.
 */
export function readFrames(bytesMax: number, { begin, add, end }: FrameSink): Frames {
  let flag = 0;
  let prefixBytes = 0;
  let bodyBytes = 0;
  const seePrefix = (byte: number): void => {
    if (prefixBytes > 0) bodyBytes = bodyBytes * 256 + byte;
    else flag = byte;
    prefixBytes += 1;
    if (prefixBytes < PREFIX_BYTES) return;
    if (bodyBytes > bytesMax) throw tooLarge(bytesMax);
    begin(flag);
  };
  return {
    see(bytes) {
      let at = 0;
      while (at < bytes.length) {
        if (prefixBytes < PREFIX_BYTES) seePrefix(bytes[at++]!);
        else {
          const size = Math.min(bodyBytes, bytes.length - at);
          add?.(size === bytes.length ? bytes : bytes.subarray(at, at + size));
          at += size;
          bodyBytes -= size;
        }
        if (prefixBytes === PREFIX_BYTES && bodyBytes === 0) {
          prefixBytes = 0;
          end();
        }
      }
    },
    isCut: () => prefixBytes > 0,
  };
}

const PIECE_BYTES = 32;

/** Counts the pieces in which a request arrives. Returns the DomainError to refuse it with, or undefined. */
export function createPieceCount(): (bytes: Uint8Array) => DomainError | undefined {
  let left = bounds.pieces.max;
  return (bytes) => {
    left += bytes.length / PIECE_BYTES - 1;
    if (left >= 0) return undefined;
    return createError(bounds.pieces.reason, "the request arrives in too many small pieces");
  };
}

/**
 * Returns the encoding of a message from its flag; undefined if it is not compressed. Throws a DomainError
 * for an unknown flag, or for a compressed message without a named encoding; the libraries overlook both.
 */
export function encodingOf<T>(flag: number, encoding: T | undefined): T | undefined {
  if (flag > 1 || (flag === 1 && encoding === undefined)) throw badFlag;
  return flag === 1 ? encoding : undefined;
}
