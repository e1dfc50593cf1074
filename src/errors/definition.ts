/** What went wrong, in domain terms. rpc/status.ts maps each kind to the transport's code. */
export type Kind =
  | "invalid"
  | "not_found"
  | "already_exists"
  | "failed_precondition"
  | "aborted"
  | "unauthenticated"
  | "permission_denied"
  | "exhausted"
  | "unavailable"
  | "deadline_exceeded"
  | "cancelled"
  | "outcome_unknown"
  | "unimplemented"
  | "internal";

/** Whether the same call may be made again, unchanged. */
type Repeat =
  /** It is refused again. */
  | "never"
  /** After the delay of the RetryInfo, which the errors of calls have. */
  | "after_wait"
  /** Without waiting: the error has a RetryInfo of no delay. */
  | "at_once"
  /** It may have happened: only with the same request_id is a repetition safe. A read may be repeated. */
  | "same_request_id";

/** What a reason stands for, as the contract says: plain data. */
export type Definition = {
  readonly kind: Kind;
  /** The kind for callers that gave the call's request_id, where it is another one. */
  readonly kindWithKey?: Kind;
  readonly repeat: Repeat;
  /** The keys of ErrorInfo.metadata, each with when it is there: "always", or in which calls. */
  readonly metadata?: Readonly<Record<string, string>>;
};
