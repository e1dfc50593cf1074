import {
  type DescMessage,
  type DescMethodStreaming,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import { type CallOptions, Code, ConnectError } from "@connectrpc/connect";
import type { Attempts } from "./attempts.ts";
import { type Clock, orAborted, startDeadline } from "./clock.ts";
import { findInfo } from "./errors.ts";
import type { CommittedChunk } from "./gen/commerce/order/v1/order_service_pb.ts";
import type { Judgement } from "./judge.ts";
import { type Retry, startRepeats, toTimeout } from "./repeats.ts";
import { traitsOf } from "./traits.ts";

/** What an import needs of the client. */
export type Importing = { readonly attempts: Attempts; readonly retry: Retry; readonly clock: Clock };

/** The rows of an import, of which the service answers one chunk after the other. */
export type Rows<I extends DescMessage, O extends DescMessage> = {
  /** The idempotency key. Rows that were read of a source may bring it. */
  readonly requestId: string;
  /** Waits until there are rows to be answered; returns false if all have been. */
  readonly wait: () => Promise<boolean>;
  /** The requests for the rows that have not been answered. */
  readonly requests: () => AsyncIterable<MessageInitShape<I>>;
  readonly chunkOf: (answer: MessageShape<O>) => CommittedChunk | undefined;
  /** Takes note that the rows up to an index have been answered. */
  readonly acknowledge: (lastIndex: bigint) => void;
  /** Whether rows that were read have no answer yet. */
  readonly isWaiting: () => boolean;
  /** Throws what has kept rows from being read. */
  readonly expectReadable: () => void;
};

/**
 * Yields the answers of an import that are chunks, over as many attempts as it takes: each begins with the
 * row behind the last one that was answered. Attempts that bring nothing are bounded like those of other
 * calls.
 */
export async function* resume<I extends DescMessage, O extends DescMessage>(
  { attempts, retry, clock }: Importing,
  method: DescMethodStreaming<I, O>,
  rows: Rows<I, O>,
  options: CallOptions,
): AsyncGenerator<MessageShape<O>> {
  const deadline = startDeadline(clock, options.timeoutMs);
  const { signal } = options;
  const { requestId } = rows;
  const repeats = startRepeats(method, { requestId, deadline, signal, rejudge }, retry, clock);
  // A longer import goes on in the next attempt.
  const { deadlineMs = Infinity } = traitsOf(method);
  // The caller that leaves gives the call up.
  const left = new AbortController();
  const either = signal === undefined ? left.signal : AbortSignal.any([signal, left.signal]);
  try {
    while (await orAborted(rows.wait(), signal, repeats.toCancellation)) {
      const leftMs = Math.min(deadline.leftMs() ?? Infinity, deadlineMs);
      const call = {
        number: repeats.number,
        requestId,
        timeoutMs: toTimeout(leftMs === Infinity ? undefined : leftMs),
      };
      try {
        const answer = await attempts.stream(method, rows.requests(), call, { ...options, signal: either });
        options.onHeader?.(answer.header);
        for await (const message of answer.message) {
          const chunk = rows.chunkOf(message);
          if (chunk === undefined) continue;
          rows.acknowledge(chunk.lastIndex);
          repeats.progress();
          yield message;
        }
        options.onTrailer?.(answer.trailer);
        if (rows.isWaiting()) throw endedEarly();
      } catch (reason) {
        if (!(reason instanceof ConnectError)) throw reason;
        // A transport says of requests that cannot be read that the call was cancelled.
        rows.expectReadable();
        await repeats.next(reason);
      }
    }
  } finally {
    left.abort();
  }
}

/**
 * A stream that was idle, because its rows come slowly or its answers are read slowly, goes on in another.
 */
function rejudge(error: ConnectError, judgement: Judgement): Judgement {
  return findInfo(error)?.reason === "STREAM_IDLE" ? { ...judgement, mayRepeat: true } : judgement;
}

/** What a stream is that has ended well before all of it was answered. */
function endedEarly(): ConnectError {
  return new ConnectError("the call has ended before all rows were answered", Code.Aborted);
}
