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
 * The request of a call that has been announced by its headers. Nothing of it is read before it is asked for;
 * what is held of it is counted, and refused where it is too much.
 */
export type Body = {
  readonly format: "binary" | "json";
  /** Reads the only message. Rejects with a DomainError where there is none, or more than one. */
  readonly one: (hold: Hold) => Promise<Sent>;
  /** Reads messages as they are asked for. */
  readonly many: (hold: Hold) => AsyncIterable<Sent>;
};

/** What a request asks for that the service, or its protocol, does not do. */
export const unsupported = (words: string): ConnectError => toRefusal("NOT_SUPPORTED", words);

/** What is answered where one message is due. */
export const noMessage = () => unsupported("the request has no message");
export const secondMessage = () => unsupported("the request has a second message, and the method takes one");

/** What a method is called with: a message or, if its requests are streamed, all of them. */
export type Requests = Message | AsyncIterable<Message>;

/** How requests of a method are read. */
type Reading = {
  readonly reader: RequestReader;
  readonly requestBytesMax: number;
  /** Throws a DomainError for a request that breaks a rule of the contract. */
  readonly validate: (request: Message) => void;
};

/** The requests of a stream. Disposal: its handler takes no more of them. */
export type Received = Disposable & { readonly requests: AsyncIterable<Message> };

/**
 * The requests of a stream for its handler, each validated when it is taken. They end with the reason of the
 * call's end, or when the server is about to stop: it waits for no further one.
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
      // Not awaited: it may be stuck in a wait for the caller.
      source.return?.().catch(() => {});
    },
  };
}

async function* readRequests(reading: Reading, body: Body, hold: Hold): AsyncGenerator<Message> {
  for await (const sent of body.many(hold)) {
    const bytes = sent.encoding === undefined ? sent.bytes : await unpack(reading, sent, hold);
    yield decode(reading, body, bytes);
    // It is asked for the next one when this one has been dealt with.
    hold.remove(bytes.length);
  }
}

/** Throws a DomainError for bytes that are no request. */
export function decode({ reader }: Reading, { format }: Body, bytes: Uint8Array): Message {
  return format === "json" ? reader.readJson(bytes) : reader.readBinary(bytes);
}

/** Decompresses a message; the room is taken before, since many may be at it. */
export async function unpack({ requestBytesMax }: Reading, sent: Sent, hold: Hold): Promise<Uint8Array> {
  const mostBytes = decompressedBytesMax(sent.bytes.length, requestBytesMax);
  hold.add(mostBytes);
  const bytes = await decompress(sent.bytes, sent.encoding!, requestBytesMax);
  hold.remove(mostBytes - bytes.length + sent.bytes.length);
  return bytes;
}
