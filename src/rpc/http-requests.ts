import type { Readable } from "node:stream";
import { base64Decode } from "@bufbuild/protobuf/wire";
import { bounds } from "../bounds.ts";
import { type DomainError, malformed, tooLarge } from "../errors.ts";
import type { Encoding } from "./decompression.ts";
import { createPieceCount, cutOff, encodingOf, PREFIX_BYTES, readFrames } from "./frames.ts";
import { callerLeft } from "./lifetime.ts";
import type { Hold } from "./receipt.ts";
import type { Request, Response } from "./refusals.ts";
import { type Body, noMessage, secondMessage, type Sent } from "./requests.ts";

/** The form of the messages in a request's body. */
export type Form = {
  readonly format: Body["format"];
  /** Whether each message has a prefix, which is so for all but Connect's unary calls. */
  readonly isFramed: boolean;
  /** The encoding of the body or, with prefixes, of the messages whose flag says so. */
  readonly encoding: Encoding | undefined;
  readonly bytesMax: number;
};

/** Creates the body of a request, which is read on demand. */
export function createHttpBody(request: Request, form: Form, signal: AbortSignal): Body {
  const { format, isFramed, encoding, bytesMax } = form;
  const many = (hold: Hold): AsyncIterable<Sent> => readMessages(request, form, signal, hold);
  if (isFramed) return { format, many, one: (hold) => readOnly(many(hold)) };
  return {
    format,
    many,
    async one(hold) {
      if (Number(request.headers["content-length"]) > bytesMax) throw tooLarge(bytesMax);
      const collected = createCollector();
      for await (const chunk of readChunks(request, signal)) {
        hold.add(chunk.length);
        if (collected.add(chunk) > bytesMax) throw tooLarge(bytesMax);
      }
      const bytes = collected.take();
      return { bytes, encoding: bytes.length > 0 ? encoding : undefined };
    },
  };
}

/** Creates the body for the message in the parameters of a GET. */
export function createGetBody(parameters: URLSearchParams, form: Form): Body {
  const one = async (): Promise<Sent> => {
    const text = parameters.get("message") ?? "";
    const bytes = parameters.get("base64") === "1" ? decodeBase64(text) : Buffer.from(text);
    if (bytes.length > form.bytesMax) throw tooLarge(form.bytesMax);
    return { bytes, encoding: form.encoding };
  };
  return {
    format: form.format,
    one,
    async *many() {
      yield await one();
    },
  };
}

function decodeBase64(text: string): Uint8Array {
  try {
    return base64Decode(text.replaceAll("-", "+").replaceAll("_", "/"));
  } catch {
    throw malformed("the parameter message is not base64");
  }
}

/** Reads the only message of a request. */
async function readOnly(messages: AsyncIterable<Sent>): Promise<Sent> {
  let only: Sent | undefined;
  for await (const message of messages) {
    if (only) throw secondMessage();
    only = message;
  }
  if (!only) throw noMessage();
  return only;
}

async function* readMessages(
  request: Request,
  { encoding, bytesMax }: Form,
  signal: AbortSignal,
  hold: Hold,
): AsyncGenerator<Sent> {
  const messages: { readonly bytes: Uint8Array; readonly flag: number }[] = [];
  let collected = createCollector();
  let flag = 0;
  const frames = readFrames(bytesMax, {
    begin: (next) => (flag = next),
    add: (bytes) => void collected.add(bytes),
    end() {
      hold.remove(PREFIX_BYTES);
      messages.push({ bytes: collected.take(), flag });
      collected = createCollector();
    },
  });
  for await (const chunk of readChunks(request, signal)) {
    hold.add(chunk.length);
    frames.see(chunk);
    for (const message of messages.splice(0))
      yield { bytes: message.bytes, encoding: encodingOf(message.flag, encoding) };
  }
  if (frames.isCut()) throw cutOff;
}

/**
 * Yields the bytes of a body as they arrive, all that are there at once. The stream's own iterator does not
 * do: leaving it early destroys the request, so that no answer can be sent.
 */
async function* readChunks(request: Request, signal: AbortSignal): AsyncGenerator<Buffer> {
  let wake = (): void => {};
  const look = (): void => wake();
  const stream: Readable = request;
  const countPiece = createPieceCount();
  let refusal: DomainError | undefined;
  let pieces: Buffer[] = [];
  let bytes = 0;
  const take = (piece: Buffer): void => {
    refusal ??= countPiece(piece);
    pieces.push(piece);
    bytes += piece.length;
    if (refusal || bytes >= bounds.aheadBytes.max) stream.pause();
    wake();
  };
  stream.on("data", take).on("end", look).on("close", look).on("error", look);
  signal.addEventListener("abort", look);
  try {
    for (;;) {
      signal.throwIfAborted();
      if (refusal) throw refusal;
      if (pieces.length > 0) {
        const chunk = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces, bytes);
        [pieces, bytes] = [[], 0];
        if (stream.isPaused()) stream.resume();
        yield chunk;
      } else if (request.aborted || request.errored) {
        // A reset also ends the request.
        throw callerLeft(Infinity);
      } else if (stream.readableEnded) return;
      else if (stream.destroyed) throw callerLeft(Infinity);
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    // Discards the rest.
    stream.off("data", take).off("end", look).off("close", look).resume();
    signal.removeEventListener("abort", look);
  }
}

/** Joins pieces into one buffer in linear time. */
function createCollector() {
  let bytes: Buffer = Buffer.alloc(0);
  let length = 0;
  return {
    /** Returns the number of bytes so far. */
    add(piece: Uint8Array): number {
      const start = length;
      length += piece.length;
      if (start === 0) bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.length);
      else {
        if (length > bytes.length) {
          const larger = Buffer.allocUnsafeSlow(Math.max(length, 2 * start, COLLECTED_BYTES_MIN));
          bytes.copy(larger, 0, 0, start);
          bytes = larger;
        }
        bytes.set(piece, start);
      }
      return length;
    },
    take: (): Buffer => bytes.subarray(0, length),
  };
}

const COLLECTED_BYTES_MIN = 1_024;

/** Ends a request that has been answered while its caller is still sending and would continue. */
export function endUnread(request: Request, response: Response): void {
  if ("stream" in request) {
    // The last event before an answer ends, with or without trailers; they are sent in the next turn.
    request.stream.once("wantTrailers", () => setImmediate(() => request.complete || request.stream.close()));
    return;
  }
  response.once("finish", () => {
    if (request.complete) return;
    setTimeout(() => request.complete || request.socket.destroy(), bounds.unreadRequestMs.max).unref();
  });
}
