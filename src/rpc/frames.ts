import { DomainError } from "../db/errors.ts";
import { MALFORMED_REQUEST, toConnectError } from "./status.ts";

/** What a caller's bytes look like beside their messages. */
export type Frames = {
  /** Sees the next bytes. */
  readonly see: (bytes: Uint8Array) => void;
  /** Whether the bytes so far end within a message. */
  readonly isCut: () => boolean;
  /** Whether the message of this number, from 0, has a prefix without sense, or stands behind such a one. */
  readonly isNonsense: (message: number) => boolean;
  /** Whether any of the prefixes so far makes no sense. */
  readonly hasNonsense: () => boolean;
};

/** Why a request is refused whose bytes end within a message. */
export const cutOff = new DomainError(
  "invalid",
  MALFORMED_REQUEST,
  "the request ends in the middle of a message",
);

const badFlag = new DomainError(
  "invalid",
  MALFORMED_REQUEST,
  "the request has a message with an unknown flag",
);

/** Before each message: a flag, and its length in four bytes. */
const PREFIX_BYTES = 5;

/**
 * Watches gRPC's frames go by. grpc-js takes what is left of a message at the end of a stream for nothing at
 * all, so that an import that was cut looks whole, and reads messages plainly whose flag says that they are
 * compressed where no encoding was named, or says what no flag can.
 */
export function watchFrames(encoding: string | undefined): Frames {
  const flagMax = encoding === undefined || encoding === "identity" ? 0 : 1;
  let prefixBytes = 0;
  let bodyBytes = 0;
  let messages = 0;
  let nonsense = Infinity;
  return {
    see(bytes) {
      let at = 0;
      while (at < bytes.length) {
        if (prefixBytes === PREFIX_BYTES) {
          const seen = Math.min(bodyBytes, bytes.length - at);
          at += seen;
          bodyBytes -= seen;
        } else {
          const byte = bytes[at++]!;
          if (prefixBytes > 0) bodyBytes = bodyBytes * 256 + byte;
          else if (byte > flagMax) nonsense = Math.min(nonsense, messages);
          prefixBytes += 1;
        }
        if (prefixBytes === PREFIX_BYTES && bodyBytes === 0) {
          prefixBytes = 0;
          messages += 1;
        }
      }
    },
    isCut: () => prefixBytes > 0,
    isNonsense: (message) => message >= nonsense,
    hasNonsense: () => nonsense < Infinity,
  };
}

/**
 * The same bytes; fails where a prefix has an unknown flag, and at their end if that is within a message.
 * connect-node overlooks most of those flags, and the end behind a whole prefix.
 */
export async function* readWhole(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  // connect-node refuses what is compressed in no encoding.
  const { see, isCut, hasNonsense } = watchFrames("any");
  for await (const bytes of source) {
    see(bytes);
    if (hasNonsense()) throw toConnectError(badFlag);
    yield bytes;
  }
  if (isCut()) throw toConnectError(cutOff);
}
