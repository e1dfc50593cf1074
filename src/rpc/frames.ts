import { bounds } from "../bounds.ts";
import { createError, type DomainError, malformed, tooLarge } from "../errors.ts";

/** Why a request is refused whose bytes end within a message. */
export const cutOff = malformed("the request ends in the middle of a message");

const badFlag = malformed("the request has a message with an unknown flag");

/** Is told what frames of messages hold, in their order. */
export type FrameSink = {
  readonly begin: (flag: number) => void;
  /** Some of the bytes of the message that has begun. */
  readonly add?: (bytes: Uint8Array) => void;
  /** All of it has been added. */
  readonly end: () => void;
};

/** Reads the frames of a request. */
export type Frames = {
  /** Sees the next bytes. Throws a DomainError at a prefix that announces too much. */
  readonly see: (bytes: Uint8Array) => void;
  /** Whether the bytes so far end within a message. */
  readonly isCut: () => boolean;
};

/** Before each message: a flag, and its length in four bytes. */
export const PREFIX_BYTES = 5;

/** Whether bytes at the beginning of a message are all of it, and no more. */
export function isOneFrame(bytes: Uint8Array, bytesMax: number): boolean {
  if (bytes.length < PREFIX_BYTES || bytes.length > bytesMax + PREFIX_BYTES) return false;
  const length = bytes[1]! * 2 ** 24 + bytes[2]! * 2 ** 16 + bytes[3]! * 2 ** 8 + bytes[4]!;
  return length + PREFIX_BYTES === bytes.length;
}

/**
 * Reads the frames of gRPC and of Connect's streams. A message that is too large is refused at its prefix,
 * before it is there.
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

/** Counts the pieces in which a request arrives. Answers the DomainError to refuse it with, or undefined. */
export function createPieceCount(): (bytes: Uint8Array) => DomainError | undefined {
  let left = bounds.pieces.max;
  return (bytes) => {
    left += bytes.length / PIECE_BYTES - 1;
    if (left >= 0) return undefined;
    return createError(bounds.pieces.reason, "the request arrives in too small pieces");
  };
}

/**
 * The encoding of a message with a flag, where messages are encoded so; undefined where it is not compressed.
 * Throws a DomainError for a flag that there is not, or that says "compressed" where no encoding was named:
 * the libraries overlook both.
 */
export function encodingOf<T>(flag: number, encoding: T | undefined): T | undefined {
  if (flag > 1 || (flag === 1 && encoding === undefined)) throw badFlag;
  return flag === 1 ? encoding : undefined;
}
