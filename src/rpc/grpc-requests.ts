import type { ServerHttp2Stream } from "node:http2";
import { Code } from "@connectrpc/connect";
import type { ServerInterceptingCallInterface } from "@grpc/grpc-js";
import { bounds } from "../bounds.ts";
import type { Encoding } from "./decompression.ts";
import { cutOff, encodingOf, type Frames, readFrames } from "./frames.ts";
import type { Arrival } from "./grpc-arrivals.ts";
import type { Method } from "./pipeline.ts";
import type { Hold } from "./receipt.ts";
import type { Body, Sent } from "./requests.ts";
import { toRefusal } from "./status.ts";

/** Those that grpc-js announces to callers. */
const ENCODINGS: readonly string[] = ["gzip", "deflate"] satisfies Encoding[];

/** The request of a call of grpc-js, which is told of its messages. */
export type GrpcBody = Body & {
  readonly deliver: (message: Uint8Array) => void;
  /** No further message comes. */
  readonly deliverEnd: () => void;
  /** The call is over: what waits for a message does so no longer. */
  readonly stop: (reason: unknown) => void;
};

/**
 * Reads the request of a call of grpc-js when it is asked for. `refuse` is told at once what its bytes break:
 * grpc-js would collect a message that is too large up to the limit of all methods.
 */
export function createGrpcBody(
  { requestBytesMax }: Method,
  call: ServerInterceptingCallInterface,
  { stream, encoding }: Arrival,
  refuse: (reason: unknown) => void,
): GrpcBody {
  let take = (_message: Uint8Array | undefined): void => {};
  let fail = (_reason: unknown): void => {};
  // Of the messages that have arrived, in their order.
  const flags: number[] = [];
  let frames: Frames | undefined;

  const begin = (hold: Hold): void => {
    frames = watchFrames(stream, hold, refuse, requestBytesMax, flags);
  };
  const toSent = (bytes: Uint8Array): Sent => {
    const named = encodingOf(flags.shift()!, encoding);
    if (named !== undefined && !ENCODINGS.includes(named)) throw unknownEncoding(named);
    return { bytes, encoding: named as Encoding | undefined };
  };
  return {
    format: "binary",
    deliver: (message) => take(message),
    deliverEnd: () => take(undefined),
    stop: (reason) => fail(reason),
    one(hold) {
      begin(hold);
      return new Promise((resolve, reject) => {
        let sent: Sent | undefined;
        fail = reject;
        take = (message) => {
          if (message === undefined) {
            if (frames!.isCut()) reject(cutOff);
            else if (sent) resolve(sent);
            else reject(noMessage());
          } else if (sent) reject(secondMessage());
          else {
            try {
              sent = toSent(message);
              call.startRead();
            } catch (reason) {
              reject(reason);
            }
          }
        };
        call.startRead();
      });
    },
    async *many(hold) {
      begin(hold);
      for (;;) {
        const message = await new Promise<Uint8Array | undefined>((resolve, reject) => {
          [take, fail] = [resolve, reject];
          call.startRead();
        });
        if (message) yield toSent(message);
        else if (frames!.isCut()) throw cutOff;
        else return;
      }
    },
  };
}

/** Watches the frames of a stream, of which grpc-js makes messages, and counts what they hold. */
function watchFrames(
  stream: ServerHttp2Stream,
  hold: Hold,
  refuse: (reason: unknown) => void,
  bytesMax: number,
  flags: number[],
): Frames {
  let pieces = 0;
  const frames = readFrames(bytesMax, {
    begin: (flag) => void flags.push(flag),
    end(prefixBytes) {
      hold.remove(pieces * bounds.chunkBytes.max + prefixBytes);
      pieces = 0;
    },
  });
  const see = (bytes: Uint8Array): void => {
    try {
      hold.add(bytes.length);
      frames.see(bytes);
      if (!frames.isCut()) return;
      pieces += 1;
      hold.add(bounds.chunkBytes.max);
    } catch (reason) {
      stream.off("data", see);
      refuse(reason);
    }
  };
  stream.on("data", see);
  return frames;
}

const unsupported = (words: string) => toRefusal(Code.Unimplemented, "NOT_SUPPORTED", words);

/** What both ports answer where one message is due. */
export const noMessage = () => unsupported("the request has no message");
export const secondMessage = () => unsupported("the request has a second message, and the method takes one");

function unknownEncoding(encoding: string) {
  return unsupported(
    `messages are compressed as ${encoding}, and this port knows ${ENCODINGS.join(" and ")}`,
  );
}
