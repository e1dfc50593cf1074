import type { ServerHttp2Stream } from "node:http2";
import type { ConnectError } from "@connectrpc/connect";
import type { ServerInterceptingCallInterface } from "@grpc/grpc-js";
import { bounds } from "../bounds.ts";
import { type Encoding, findEncoding } from "./decompression.ts";
import {
  createPieceCount,
  cutOff,
  encodingOf,
  type Frames,
  isOneFrame,
  PREFIX_BYTES,
  readFrames,
} from "./frames.ts";
import type { Arrival } from "./grpc-arrivals.ts";
import type { Hold } from "./receipt.ts";
import { type Body, noMessage, secondMessage, type Sent, unsupported } from "./requests.ts";

/** The encodings that grpc-js announces to callers. */
const ENCODINGS: readonly Encoding[] = ["gzip", "deflate"];

/**
 * The request of a call. grpc-js delivers its messages; the pipeline reads it on demand. `refuse` is called
 * as soon as the bytes break a bound: grpc-js would collect a message that is too large up to the limit of
 * all methods. A class, since each call has one.
 */
export class GrpcBody implements Body {
  readonly format = "binary";
  readonly #call: ServerInterceptingCallInterface;
  readonly #arrival: Arrival;
  readonly #refuse: (reason: unknown) => void;
  readonly #frames: FrameWatch;
  #take: (message: Uint8Array | undefined) => void = () => {};
  #fail: (reason: unknown) => void = () => {};

  constructor(
    call: ServerInterceptingCallInterface,
    arrival: Arrival,
    requestBytesMax: number,
    refuse: (reason: unknown) => void,
  ) {
    this.#call = call;
    this.#arrival = arrival;
    this.#refuse = refuse;
    this.#frames = new FrameWatch(requestBytesMax);
  }

  /** Delivers a message, or undefined at the end of the request. */
  deliver(message: Uint8Array | undefined): void {
    this.#take(message);
  }

  /** Ends the call; a reader that waits for a message is rejected. */
  stop(reason: unknown): void {
    this.#fail(reason);
  }

  one(hold: Hold): Promise<Sent> {
    this.#frames.watch(this.#arrival.stream, hold, this.#refuse);
    return new Promise((resolve, reject) => {
      let sent: Sent | undefined;
      // A constant first: see sessions.ts on functions that are assigned where they are written.
      const take = (message: Uint8Array | undefined): void => {
        try {
          if (message === undefined) return resolve(this.#expectWhole(sent));
          if (sent) throw secondMessage();
          sent = this.#toSent(message);
          this.#call.startRead();
        } catch (reason) {
          reject(reason);
        }
      };
      this.#fail = reject;
      this.#take = take;
      this.#call.startRead();
    });
  }

  async *many(hold: Hold): AsyncGenerator<Sent> {
    this.#frames.watch(this.#arrival.stream, hold, this.#refuse);
    for (;;) {
      const message = await new Promise<Uint8Array | undefined>((resolve, reject) => {
        this.#take = resolve;
        this.#fail = reject;
        this.#call.startRead();
      });
      if (message) yield this.#toSent(message);
      else if (this.#frames.isCut()) throw cutOff;
      else return;
    }
  }

  #expectWhole(sent: Sent | undefined): Sent {
    if (this.#frames.isCut()) throw cutOff;
    if (!sent) throw noMessage();
    return sent;
  }

  #toSent(bytes: Uint8Array): Sent {
    const named = encodingOf(this.#frames.takeFlag(), this.#arrival.encoding);
    if (named === undefined) return { bytes, encoding: undefined };
    const encoding = findEncoding(ENCODINGS, named);
    if (encoding === undefined) throw unknownEncoding(named);
    return { bytes, encoding };
  }
}

/** Observes the frames of a stream, which grpc-js turns into messages, and counts their bytes. */
class FrameWatch {
  readonly #bytesMax: number;
  /** Flags of the messages that have arrived, in order. */
  readonly #flags: number[] = [];
  /** Created unless a piece is exactly one message. */
  #frames: Frames | undefined;
  #countPiece: ReturnType<typeof createPieceCount> | undefined;
  #pieces = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  isCut(): boolean {
    return this.#frames?.isCut() === true;
  }

  takeFlag(): number {
    return this.#flags.shift()!;
  }

  watch(stream: ServerHttp2Stream, hold: Hold, refuse: (reason: unknown) => void): void {
    const see = (bytes: Uint8Array): void => {
      try {
        this.#see(bytes, hold);
      } catch (reason) {
        stream.off("data", see);
        refuse(reason);
      }
    };
    stream.on("data", see);
  }

  #see(bytes: Uint8Array, hold: Hold): void {
    hold.add(bytes.length);
    if (!this.#frames && isOneFrame(bytes, this.#bytesMax)) {
      hold.remove(PREFIX_BYTES);
      this.#flags.push(bytes[0]!);
      return;
    }
    this.#countPiece ??= createPieceCount();
    const refusal = this.#countPiece(bytes);
    if (refusal) throw refusal;
    this.#frames ??= this.#readFrames(hold);
    this.#frames.see(bytes);
    if (!this.#frames.isCut()) return;
    this.#pieces += 1;
    hold.add(bounds.chunkBytes.max);
  }

  #readFrames(hold: Hold): Frames {
    return readFrames(this.#bytesMax, {
      begin: (flag) => void this.#flags.push(flag),
      end: () => {
        hold.remove(this.#pieces * bounds.chunkBytes.max + PREFIX_BYTES);
        this.#pieces = 0;
      },
    });
  }
}

function unknownEncoding(encoding: string): ConnectError {
  return unsupported(
    `messages are compressed as ${encoding}, and this port supports ${ENCODINGS.join(" and ")}`,
  );
}
