import type { DescService, Message } from "@bufbuild/protobuf";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";

/** What the service knows of the call that it answers. */
export type Call = {
  /** Aborts when the caller has left or the deadline has passed; its reason is the DomainError to answer. */
  readonly signal: AbortSignal;
  /**
   * Aborts when the server is about to stop, with the DomainError to answer. A stream that may last ends
   * then, where it can be resumed; one that waits for a request has it fail with that error.
   */
  readonly draining: AbortSignal;
  /**
   * When the work is to be over, in milliseconds since the epoch: when the caller stops waiting or, where the
   * deadline is the service's own, a little before the call ends, so that its caller can be told whether it
   * happened.
   */
  readonly deadlineMs: number;
  /** Who takes turns with others for the database: the principal or, if it is not known, the connection. */
  readonly holder: unknown;
  /** Who calls: the token's subject, or "anonymous". Part of every derived id. */
  readonly principal: string;
  /**
   * The rows of a request that is an import, which has them in no field: each is decoded when it is taken, or
   * why it cannot be.
   */
  readonly rowsOf: (request: Message) => Iterable<Message | Error>;
  /** Tells that a stream does not idle while it waits for this: the caller is not what it waits for. */
  readonly working: <T>(work: Promise<T>) => Promise<T>;
};

/**
 * The implementation of a service: Connect's own type of it with `Call` in the place of Connect's
 * HandlerContext, so that an implementation knows nothing of the transport that carried the call.
 */
export type Service<S extends DescService> = {
  [M in keyof ServiceImpl<S>]: ServiceImpl<S>[M] extends (
    request: infer Q,
    context: HandlerContext,
  ) => infer R
    ? (request: Q, call: Call) => R
    : never;
};
