import type { Definition } from "./definition.ts";

/** Why any call may fail: its request, its caller, its time, a limit, the database. */
export const callReasons = {
  INVALID_FIELD: {
    kind: "invalid",
    repeat: "never",
    action: "Correct the fields that the BadRequest names.",
  },
  MALFORMED_REQUEST: {
    kind: "invalid",
    repeat: "never",
    action: "Send the request message of the method, whole and in the encoding that the headers announce.",
  },
  MALFORMED_TIMEOUT: {
    kind: "invalid",
    repeat: "never",
    action: "Send grpc-timeout or connect-timeout-ms as their protocols define them.",
  },
  MESSAGE_TOO_LARGE: {
    kind: "exhausted",
    repeat: "never",
    action: "Send less in one message.",
  },
  DECOMPRESSION_RATIO: {
    kind: "exhausted",
    repeat: "never",
    action: "Send the message uncompressed, or less in one message.",
  },
  TOO_MANY_PIECES: {
    kind: "exhausted",
    repeat: "never",
    action: "Send the request in larger pieces.",
  },
  TOO_MANY_BYTES: {
    kind: "exhausted",
    repeat: "after_wait",
    action: "Repeat the call after the delay, and have fewer large requests under way at once.",
  },
  TOO_MANY_CALLS: {
    kind: "exhausted",
    repeat: "after_wait",
    action: "Repeat the call after the delay, and have fewer calls or streams under way at once.",
  },
  TOO_MANY_LARGE_READS: {
    kind: "exhausted",
    repeat: "after_wait",
    action: "Repeat the call after the delay, or ask for smaller pages or batches.",
  },
  TOO_MANY_UNREAD_BYTES: {
    kind: "exhausted",
    repeat: "after_wait",
    action: "Read the answers that wait on this connection, and repeat the call.",
  },
  POOL_EXHAUSTED: {
    kind: "exhausted",
    repeat: "after_wait",
    action: "Repeat the call after the delay.",
  },
  CREDENTIALS_MISSING: {
    kind: "unauthenticated",
    repeat: "never",
    action: "Send `authorization: Bearer <JWT>`.",
  },
  CREDENTIALS_MALFORMED: {
    kind: "unauthenticated",
    repeat: "never",
    action: "Send `authorization: Bearer <JWT>`.",
  },
  TOKEN_EXPIRED: {
    kind: "unauthenticated",
    repeat: "never",
    action: "Get a new token, and call again.",
  },
  TOKEN_INVALID: {
    kind: "unauthenticated",
    repeat: "never",
    metadata: { check: "always" },
    action: "Get a token of the right issuer, audience and type; check names what failed.",
  },
  SIGNING_KEYS_UNAVAILABLE: {
    kind: "unavailable",
    repeat: "after_wait",
    action: "Repeat the call after the delay: the issuer of tokens does not answer the service.",
  },
  METHOD_CLOSED: {
    kind: "permission_denied",
    repeat: "never",
    metadata: { method: "always" },
    action: "Call another method: no token allows this one.",
  },
  SCOPE_MISSING: {
    kind: "permission_denied",
    repeat: "never",
    metadata: { method: "always", scope: "always" },
    action: "Get a token with the scopes that scope names.",
  },
  DEADLINE_EXCEEDED: {
    kind: "deadline_exceeded",
    repeat: "same_request_id",
    action: "Repeat the call with the same request_id: a change may have happened.",
  },
  STREAM_IDLE: {
    kind: "deadline_exceeded",
    repeat: "never",
    action: "Call again, and resume behind the last answer.",
  },
  CANCELLED: {
    kind: "cancelled",
    repeat: "same_request_id",
    action: "Nothing, or repeat the call with the same request_id: a change may have happened.",
  },
  SHUTTING_DOWN: {
    kind: "unavailable",
    repeat: "at_once",
    metadata: { last_index: "imports" },
    action: "Call again, at another server; resume an import behind last_index.",
  },
  COMMIT_OUTCOME_UNKNOWN: {
    kind: "outcome_unknown",
    kindWithKey: "unavailable",
    repeat: "same_request_id",
    metadata: { request_id: "if the call had none" },
    action:
      "Repeat the call with the same request_id, or with the one in the metadata: it may have happened.",
  },
  DATABASE_UNAVAILABLE: {
    kind: "unavailable",
    repeat: "after_wait",
    action: "Repeat the call after the delay; nothing was changed.",
  },
  DATABASE_READ_ONLY: {
    kind: "unavailable",
    repeat: "after_wait",
    action: "Repeat the call after the delay; nothing was changed.",
  },
  DATABASE_OVERLOADED: {
    kind: "exhausted",
    repeat: "after_wait",
    action: "Repeat the call after the delay, and call less often.",
  },
  CONTENTION: {
    kind: "unavailable",
    repeat: "after_wait",
    action: "Repeat the call after the delay; nothing was changed.",
  },
  UNKNOWN_SERVICE: {
    kind: "not_found",
    repeat: "never",
    action: "Ask for the health of a service that the server has, or of the empty name.",
  },
  INTERNAL: {
    kind: "internal",
    repeat: "same_request_id",
    metadata: { id: "always" },
    action: "Give the id to the operators, whose log has the error under it; a change may have happened.",
  },
} as const satisfies Readonly<Record<string, Definition>>;
