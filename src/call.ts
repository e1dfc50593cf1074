import type { DescService, Message } from "@bufbuild/protobuf";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";

/** What a service function knows about the call that it answers. */
export type Call = {
  /** Aborts when the caller has left or the deadline has passed; its reason is the DomainError to answer. */
  readonly signal: AbortSignal;
  /**
   * Aborts when the server is about to stop; its reason is the DomainError to answer. A long stream then ends
   * where it can be resumed, and a stream that waits for a request sees that wait fail with the reason.
   */
  readonly draining: AbortSignal;
  /**
   * When the work must be over, in milliseconds since the epoch: when the caller stops waiting or, for a
   * deadline that the service set, a little before the call ends, so that the caller can be told the outcome.
   */
  readonly deadlineMs: number;
  /** What shares the database fairly with others: the principal or, if it is not known, the connection. */
  readonly holder: unknown;
  /**
   * How long a refusal of the call is kept, in milliseconds, so that the call is refused again when it is
   * repeated. 0 where the caller gave no request_id: then nobody can repeat it.
   */
  readonly refusalMs: number;
  /** The token's subject, or "anonymous". Part of every derived id. */
  readonly principal: string;
  /**
   * The rows of an import, which are not decoded into a field of the request. Each is decoded when it is
   * taken; an Error stands for a row that cannot be decoded.
   */
  readonly rowsOf: (request: Message) => Iterable<Message | Error>;
  /**
   * Awaits `work`; until it settles the stream does not count as idle, because it does not wait for its
   * caller.
   */
  readonly working: <T>(work: Promise<T>) => Promise<T>;
};

/**
 * The implementation of a service: Connect's ServiceImpl with `Call` in place of HandlerContext, so that an
 * implementation does not depend on the transport.
 */
export type Service<S extends DescService> = {
  [M in keyof ServiceImpl<S>]: ServiceImpl<S>[M] extends (
    request: infer Q,
    context: HandlerContext,
  ) => infer R
    ? (request: Q, call: Call) => R
    : never;
};
