import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { type CallOptions, Code, ConnectError, type Transport } from "@connectrpc/connect";
import type { Attempts } from "./attempts.ts";
import { type Clock, startDeadline } from "./clock.ts";
import { neverBegun } from "./errors.ts";
import { type Judgement, neverSent } from "./judge.ts";
import { type Retry, startRepeats, toTimeout } from "./repeats.ts";
import { withRequestId } from "./request-id.ts";

/**
 * A transport whose unary calls have a request_id, a deadline of `deadlineMs` if they have none, and
 * attempts. Streams are attempted once: what has been read of one cannot be taken back.
 */
export function createReliableTransport(
  attempts: Attempts,
  deadlineMs: number,
  retry: Retry,
  clock: Clock,
): Transport {
  return {
    async unary(method, signal, timeoutMs, headers, input, contextValues) {
      const { request, requestId } = withRequestId(method, input);
      if (signal?.aborted) throw neverBegun(signal, requestId);
      const deadline = startDeadline(clock, timeoutMs ?? deadlineMs);
      const rejudge = (error: ConnectError, judgement: Judgement): Judgement =>
        error.code === Code.Internal && !canEncode(method.input, request) ? neverSent : judgement;
      const repeats = startRepeats(method, { requestId, deadline, signal, rejudge }, retry, clock);
      const options = toOptions({ signal, headers, contextValues });
      for (;;) {
        const { number } = repeats;
        try {
          const call = { number, requestId, timeoutMs: toTimeout(deadline.leftMs()) };
          return await attempts.unary(method, request, call, options);
        } catch (reason) {
          // What the caller's own functions throw is the caller's.
          if (!(reason instanceof ConnectError)) throw reason;
          await repeats.next(reason);
        }
      }
    },
    async stream(method, signal, timeoutMs, headers, input, contextValues) {
      const call = { requestId: undefined, deadline: startDeadline(clock, timeoutMs), signal };
      const repeats = startRepeats(method, call, { ...retry, attemptsMax: 1 }, clock);
      const explain = async (reason: unknown): Promise<never> => {
        if (reason instanceof ConnectError) await repeats.next(reason);
        throw reason;
      };
      const options = toOptions({ signal, headers, contextValues });
      try {
        const ofCall = { number: 1, requestId: undefined, timeoutMs };
        const answer = await attempts.stream(method, input, ofCall, options);
        return { ...answer, message: withErrors(answer.message, explain) };
      } catch (reason) {
        return explain(reason);
      }
    },
  };
}

/**
 * Whether a request can be encoded, as one cannot that has a text where the contract has a number: a
 * transport says INTERNAL of it, as of much else.
 */
function canEncode<I extends DescMessage>(schema: I, request: MessageInitShape<I>): boolean {
  try {
    toBinary(schema, create(schema, request));
    return true;
  } catch {
    return false;
  }
}

async function* withErrors<T>(
  messages: AsyncIterable<T>,
  explain: (reason: unknown) => Promise<never>,
): AsyncGenerator<T> {
  try {
    yield* messages;
  } catch (reason) {
    await explain(reason);
  }
}

/** The options that are given: an option of a call is absent, not undefined. */
function toOptions({
  signal,
  headers,
  contextValues,
}: { readonly [Name in keyof CallOptions]: CallOptions[Name] | undefined }): CallOptions {
  return { ...(signal && { signal }), ...(headers && { headers }), ...(contextValues && { contextValues }) };
}
