import type {
  DescMessage,
  DescMethod,
  DescMethodStreaming,
  DescMethodUnary,
  MessageInitShape,
} from "@bufbuild/protobuf";
import {
  type CallOptions,
  Code,
  ConnectError,
  type StreamResponse,
  type Transport,
  type UnaryResponse,
} from "@connectrpc/connect";
import { orAborted } from "./clock.ts";
import { findInfo, UnsentError } from "./errors.ts";
import { toTimeout } from "./repeats.ts";

/** An attempt of a call, as it begins. */
export type Attempt = {
  /** The method in the contract; `method.name` is "CreateOrder", `method.parent.typeName` its service. */
  readonly method: DescMethod;
  /** Counts the attempts of a call from 1. */
  readonly number: number;
  /** The idempotency key, the same in all attempts of a call; undefined for methods without one. */
  readonly requestId: string | undefined;
  /** The headers to be sent: what is set here, such as `traceparent`, goes with this attempt. */
  readonly headers: Headers;
};

/** How an attempt has ended. */
export type AttemptEnd = {
  /** Undefined if it has succeeded. */
  readonly code: Code | undefined;
  /** The reason of the service's error, also one that this release of the client does not know. */
  readonly reason: string | undefined;
  readonly durationMs: number;
};

/**
 * Is called when an attempt begins, and returns what is to be called when it has ended, if anything. Calls
 * that succeed at once have one attempt. What it throws fails the call.
 */
export type OnAttempt = (attempt: Attempt) => ((end: AttemptEnd) => void) | void;

/** The token of a caller, or what gets one for each attempt, such as one that is still valid. */
export type Token = string | (() => string | Promise<string>);

/** The call to which an attempt belongs. */
type OfCall = Pick<Attempt, "number" | "requestId"> & { readonly timeoutMs: number | undefined };

/** Makes single attempts over a transport. They reject with ConnectErrors, and repeat nothing. */
export type Attempts = {
  readonly unary: <I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    call: OfCall,
    options: CallOptions,
  ) => Promise<UnaryResponse<I, O>>;
  /** The attempt has ended when its messages have been read to their end, or are left. */
  readonly stream: <I extends DescMessage, O extends DescMessage>(
    method: DescMethodStreaming<I, O>,
    requests: AsyncIterable<MessageInitShape<I>>,
    call: OfCall,
    options: CallOptions,
  ) => Promise<StreamResponse<I, O>>;
};

export function createAttempts(
  transport: Transport,
  token: Token | undefined,
  onAttempt: OnAttempt = () => {},
): Attempts {
  const begin = async (method: DescMethod, call: OfCall, options: CallOptions): Promise<Begun> => {
    const headers = new Headers(options.headers);
    const askedMs = performance.now();
    if (token !== undefined && !headers.has("authorization"))
      headers.set("authorization", `Bearer ${await getToken(token, call, options.signal)}`);
    const startMs = performance.now();
    const timeoutMs = toTimeout(call.timeoutMs && call.timeoutMs - (startMs - askedMs));
    const { number, requestId } = call;
    const onEnd = onAttempt({ method, number, requestId, headers });
    const end = (error?: ConnectError): void => {
      const reason = error && findInfo(error)?.reason;
      onEnd?.({ code: error?.code, reason, durationMs: performance.now() - startMs });
    };
    return { headers, timeoutMs, end };
  };
  return {
    async unary(method, request, call, options) {
      const { headers, timeoutMs, end } = await begin(method, call, options);
      const { signal, contextValues } = options;
      try {
        const answer = await transport.unary(method, signal, timeoutMs, headers, request, contextValues);
        end();
        return answer;
      } catch (reason) {
        const error = ConnectError.from(reason);
        end(error);
        throw error;
      }
    },
    async stream(method, requests, call, options) {
      const { headers, timeoutMs, end } = await begin(method, call, options);
      const { signal, contextValues } = options;
      const left = new AbortController();
      const either = signal === undefined ? left.signal : AbortSignal.any([signal, left.signal]);
      try {
        const answer = await transport.stream(method, either, timeoutMs, headers, requests, contextValues);
        return { ...answer, message: watchEnd(answer.message, end, left) };
      } catch (reason) {
        const error = ConnectError.from(reason);
        end(error);
        throw error;
      }
    },
  };
}

type Begun = {
  readonly headers: Headers;
  /** What the token has left of the time-out. */
  readonly timeoutMs: number | undefined;
  readonly end: (error?: ConnectError) => void;
};

/** Gets a token for an attempt. Throws an UnsentError when its time is over, or its caller leaves. */
async function getToken(
  token: Token,
  { timeoutMs }: OfCall,
  signal: AbortSignal | undefined,
): Promise<string> {
  if (typeof token === "string") return token;
  const ends = [signal, timeoutMs && AbortSignal.timeout(timeoutMs)].filter(
    (end) => end instanceof AbortSignal,
  );
  return orAborted((async () => token())(), AbortSignal.any(ends), (end) => new UnsentError(end));
}

/**
 * Tells when the messages of a stream have ended, and gives up a call that its reader leaves. Connect's
 * iterator has no `return()`: it clears the call's timer, which would keep the process alive, when it is
 * read to an end.
 */
async function* watchEnd<T>(
  messages: AsyncIterable<T>,
  end: Begun["end"],
  left: AbortController,
): AsyncGenerator<T> {
  const iterator = messages[Symbol.asyncIterator]();
  let error: ConnectError | undefined = new ConnectError("the caller has left", Code.Canceled);
  try {
    yield* { [Symbol.asyncIterator]: () => iterator };
    error = undefined;
  } catch (reason) {
    error = ConnectError.from(reason);
    throw error;
  } finally {
    end(error);
    left.abort();
    iterator.next().catch(() => {});
  }
}
