import type { Message } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import type { Call } from "../call.ts";
import { abortable } from "./abortable.ts";
import { decompress, decompressedBytesMax, type Encoding } from "./decompression.ts";
import type { IdleWatch } from "./idle.ts";
import type { RequestReader } from "./reading.ts";
import type { Hold } from "./receipt.ts";
import { toRefusal } from "./status.ts";

/** A message of a request as it was sent. */
export type Sent = { readonly bytes: Uint8Array; readonly encoding?: Encoding | undefined };

/**
 * The request of a call. It is read on demand; the bytes held are counted, and refused if they are too many.
 */
export type Body = {
  readonly format: "binary" | "json";
  /** Reads the only message. Rejects with a DomainError if there is none or more than one. */
  readonly one: (hold: Hold) => Promise<Sent>;
  /** Reads messages on demand. */
  readonly many: (hold: Hold) => AsyncIterable<Sent>;
};

/** The error for a feature that the service, or its protocol, does not support. */
export const unsupported = (words: string): ConnectError => toRefusal("NOT_SUPPORTED", words);

/** The error for a request without its message. */
export const noMessage = () => unsupported("the request has no message");
export const secondMessage = () => unsupported("the request has a second message, but the method takes one");

/** The request of a method: a message, or a stream of messages. */
export type Requests = Message | AsyncIterable<Message>;

/** How requests of a method are read. */
type Reading = {
  readonly reader: RequestReader;
  readonly requestBytesMax: number;
  /** Throws a DomainError for a request that breaks a rule of the contract. */
  readonly validate: (request: Message) => void;
};

/** The requests of a stream. Disposing stops reading them. */
export type Received = Disposable & { readonly requests: AsyncIterable<Message> };

/**
 * Returns the requests of a stream, each validated when it is taken. Taking one throws the signal's reason
 * when the call ends or the server is about to stop.
 */
export function receiveRequests(
  reading: Reading,
  body: Body,
  hold: Hold,
  { signal, draining }: Call,
  idle: IdleWatch | undefined,
): Received {
  const source = abortable(abortable(readRequests(reading, body, hold), signal), draining);
  async function* take(): AsyncGenerator<Message> {
    for (;;) {
      idle?.wait();
      const step = await source.next();
      idle?.waited();
      if (step.done) return;
      reading.validate(step.value);
      yield step.value;
    }
  }
  return {
    requests: take(),
    [Symbol.dispose]() {
      // Not awaited: it may be waiting for the caller.
      source.return?.().catch(() => {});
    },
  };
}

async function* readRequests(reading: Reading, body: Body, hold: Hold): AsyncGenerator<Message> {
  for await (const sent of body.many(hold)) {
    const bytes = sent.encoding === undefined ? sent.bytes : await unpack(reading, sent, hold);
    yield decode(reading, body, bytes);
    // The handler takes the next message when it has finished with this one.
    hold.remove(bytes.length);
  }
}

/** Decodes a message. Throws a DomainError for invalid bytes. */
export function decode({ reader }: Reading, { format }: Body, bytes: Uint8Array): Message {
  return format === "json" ? reader.readJson(bytes) : reader.readBinary(bytes);
}

/** Decompresses a message. Takes the room before, since many may be decompressed at once. */
export async function unpack({ requestBytesMax }: Reading, sent: Sent, hold: Hold): Promise<Uint8Array> {
  const mostBytes = decompressedBytesMax(sent.bytes.length, requestBytesMax);
  hold.add(mostBytes);
  const bytes = await decompress(sent.bytes, sent.encoding!, requestBytesMax);
  hold.remove(mostBytes - bytes.length + sent.bytes.length);
  return bytes;
}
