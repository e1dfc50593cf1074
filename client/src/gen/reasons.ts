// Written by `npm run generate` from the catalogue of reasons.

/** Whether a call may be made again, unchanged, after an error of each reason. */
export const repeats = {
  CANCELLED: "same_request_id",
  COMMIT_OUTCOME_UNKNOWN: "same_request_id",
  CONTENTION: "after_wait",
  CREDENTIALS_MALFORMED: "never",
  CREDENTIALS_MISSING: "never",
  DATABASE_OVERLOADED: "after_wait",
  DATABASE_READ_ONLY: "after_wait",
  DATABASE_UNAVAILABLE: "after_wait",
  DEADLINE_EXCEEDED: "same_request_id",
  DECOMPRESSION_RATIO: "never",
  EMAIL_TAKEN: "never",
  ETAG_MISMATCH: "never",
  EXPECTATION_FAILED: "never",
  FINAL_ORDER: "never",
  FORBIDDEN_STATUS_CHANGE: "never",
  HEADERS_TOO_LARGE: "never",
  IMPORT_SUPERSEDED: "never",
  INSUFFICIENT_STOCK: "never",
  INTERNAL: "same_request_id",
  INVALID_CREDENTIALS: "never",
  INVALID_FIELD: "never",
  INVALID_PAGE_TOKEN: "never",
  MALFORMED_HTTP: "never",
  MALFORMED_REQUEST: "never",
  MALFORMED_ROW: "never",
  MALFORMED_TIMEOUT: "never",
  MESSAGE_TOO_LARGE: "never",
  METHOD_CLOSED: "never",
  METHOD_NOT_ALLOWED: "never",
  NEEDS_HTTP1: "never",
  NEEDS_HTTP2: "never",
  NEEDS_TLS: "never",
  NOT_SUPPORTED: "never",
  NO_TLS: "never",
  ORDER_NOT_FOUND: "never",
  POOL_EXHAUSTED: "after_wait",
  PRODUCT_NOT_FOUND: "never",
  REQUEST_ID_REUSED: "never",
  REQUEST_TIMEOUT: "never",
  SCOPE_MISSING: "never",
  SHUTTING_DOWN: "at_once",
  SIGNING_KEYS_UNAVAILABLE: "after_wait",
  STOCK_LIMIT: "never",
  STOPPED_ON_ERROR: "never",
  STREAM_IDLE: "never",
  TOKEN_EXPIRED: "never",
  TOKEN_INVALID: "never",
  TOO_MANY_ATTEMPTS: "after_wait",
  TOO_MANY_BYTES: "after_wait",
  TOO_MANY_CALLS: "after_wait",
  TOO_MANY_CONNECTIONS: "after_wait",
  TOO_MANY_IDLE_BYTES: "never",
  TOO_MANY_ITEMS: "never",
  TOO_MANY_LARGE_READS: "after_wait",
  TOO_MANY_ORDERS: "never",
  TOO_MANY_PASSWORDS: "after_wait",
  TOO_MANY_PIECES: "never",
  TOO_MANY_RESETS: "same_request_id",
  TOO_MANY_SCRAPES: "after_wait",
  TOO_MANY_UNREAD_BYTES: "after_wait",
  TOTAL_LIMIT: "never",
  TRANSPORT: "same_request_id",
  UNKNOWN_METHOD: "never",
  UNKNOWN_SERVICE: "never",
  UNREAD_TOO_LONG: "same_request_id",
  UNSUPPORTED_MEDIA_TYPE: "never",
  USER_HAS_ORDERS: "never",
  USER_NOT_FOUND: "never",
} as const;

/** The facts of errors of each reason: the metadata of their google.rpc.ErrorInfo, as texts. */
export type FactsByReason = {
  readonly CANCELLED: Readonly<Record<never, string>>;
  readonly COMMIT_OUTCOME_UNKNOWN: { /** if the call had none */ readonly requestId?: string };
  readonly CONTENTION: Readonly<Record<never, string>>;
  readonly CREDENTIALS_MALFORMED: Readonly<Record<never, string>>;
  readonly CREDENTIALS_MISSING: Readonly<Record<never, string>>;
  readonly DATABASE_OVERLOADED: Readonly<Record<never, string>>;
  readonly DATABASE_READ_ONLY: Readonly<Record<never, string>>;
  readonly DATABASE_UNAVAILABLE: Readonly<Record<never, string>>;
  readonly DEADLINE_EXCEEDED: Readonly<Record<never, string>>;
  readonly DECOMPRESSION_RATIO: Readonly<Record<never, string>>;
  readonly EMAIL_TAKEN: Readonly<Record<never, string>>;
  readonly ETAG_MISMATCH: { readonly id: string; /** in an atomic batch */ readonly index?: string };
  readonly EXPECTATION_FAILED: Readonly<Record<never, string>>;
  readonly FINAL_ORDER: { readonly id: string };
  readonly FORBIDDEN_STATUS_CHANGE: { readonly id: string; readonly from: string; readonly to: string; /** in an atomic batch */ readonly index?: string };
  readonly HEADERS_TOO_LARGE: Readonly<Record<never, string>>;
  readonly IMPORT_SUPERSEDED: Readonly<Record<never, string>>;
  readonly INSUFFICIENT_STOCK: { readonly productId: string; /** AdjustStock */ readonly onHand?: string };
  readonly INTERNAL: { readonly id: string };
  readonly INVALID_CREDENTIALS: Readonly<Record<never, string>>;
  readonly INVALID_FIELD: Readonly<Record<never, string>>;
  readonly INVALID_PAGE_TOKEN: Readonly<Record<never, string>>;
  readonly MALFORMED_HTTP: Readonly<Record<never, string>>;
  readonly MALFORMED_REQUEST: Readonly<Record<never, string>>;
  readonly MALFORMED_ROW: Readonly<Record<never, string>>;
  readonly MALFORMED_TIMEOUT: Readonly<Record<never, string>>;
  readonly MESSAGE_TOO_LARGE: Readonly<Record<never, string>>;
  readonly METHOD_CLOSED: { readonly method: string };
  readonly METHOD_NOT_ALLOWED: Readonly<Record<never, string>>;
  readonly NEEDS_HTTP1: Readonly<Record<never, string>>;
  readonly NEEDS_HTTP2: Readonly<Record<never, string>>;
  readonly NEEDS_TLS: Readonly<Record<never, string>>;
  readonly NOT_SUPPORTED: Readonly<Record<never, string>>;
  readonly NO_TLS: Readonly<Record<never, string>>;
  readonly ORDER_NOT_FOUND: { readonly id: string; /** in an atomic batch */ readonly index?: string };
  readonly POOL_EXHAUSTED: Readonly<Record<never, string>>;
  readonly PRODUCT_NOT_FOUND: { readonly id: string };
  readonly REQUEST_ID_REUSED: { /** in an atomic batch */ readonly index?: string };
  readonly REQUEST_TIMEOUT: Readonly<Record<never, string>>;
  readonly SCOPE_MISSING: { readonly method: string; readonly scope: string };
  readonly SHUTTING_DOWN: { /** imports */ readonly lastIndex?: string };
  readonly SIGNING_KEYS_UNAVAILABLE: Readonly<Record<never, string>>;
  readonly STOCK_LIMIT: { readonly productId: string; readonly onHand: string };
  readonly STOPPED_ON_ERROR: { readonly index: string };
  readonly STREAM_IDLE: Readonly<Record<never, string>>;
  readonly TOKEN_EXPIRED: Readonly<Record<never, string>>;
  readonly TOKEN_INVALID: { readonly check: string };
  readonly TOO_MANY_ATTEMPTS: Readonly<Record<never, string>>;
  readonly TOO_MANY_BYTES: Readonly<Record<never, string>>;
  readonly TOO_MANY_CALLS: Readonly<Record<never, string>>;
  readonly TOO_MANY_CONNECTIONS: Readonly<Record<never, string>>;
  readonly TOO_MANY_IDLE_BYTES: Readonly<Record<never, string>>;
  readonly TOO_MANY_ITEMS: { readonly id: string };
  readonly TOO_MANY_LARGE_READS: Readonly<Record<never, string>>;
  readonly TOO_MANY_ORDERS: { readonly id: string };
  readonly TOO_MANY_PASSWORDS: Readonly<Record<never, string>>;
  readonly TOO_MANY_PIECES: Readonly<Record<never, string>>;
  readonly TOO_MANY_RESETS: Readonly<Record<never, string>>;
  readonly TOO_MANY_SCRAPES: Readonly<Record<never, string>>;
  readonly TOO_MANY_UNREAD_BYTES: Readonly<Record<never, string>>;
  readonly TOTAL_LIMIT: { readonly id: string };
  readonly TRANSPORT: Readonly<Record<never, string>>;
  readonly UNKNOWN_METHOD: Readonly<Record<never, string>>;
  readonly UNKNOWN_SERVICE: Readonly<Record<never, string>>;
  readonly UNREAD_TOO_LONG: Readonly<Record<never, string>>;
  readonly UNSUPPORTED_MEDIA_TYPE: Readonly<Record<never, string>>;
  readonly USER_HAS_ORDERS: { readonly id: string };
  readonly USER_NOT_FOUND: { /** by id */ readonly id?: string; /** by email */ readonly email?: string; /** BatchGetUsers: ids, between commas */ readonly missing?: string };
};
