// Written by `npm run generate` from the reasons in proto/commerce/errors/v1/.

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
  /** The caller has cancelled the call. Nothing is to be done, or repeat it with the same request_id: a change may have happened. */
  readonly CANCELLED: Readonly<Record<never, string>>;
  /** It is not known whether the change happened. Repeat the call with the same request_id, or with the one in the metadata. */
  readonly COMMIT_OUTCOME_UNKNOWN: {
    /** the request_id to repeat the call with (if the call had none) */
    readonly requestId?: string;
  };
  /** Too many calls change the same rows; nothing was changed. Repeat the call after the delay. */
  readonly CONTENTION: Readonly<Record<never, string>>;
  /** The authorization header holds no token. Send `authorization: Bearer <JWT>`. */
  readonly CREDENTIALS_MALFORMED: Readonly<Record<never, string>>;
  /** The call has no token. Send `authorization: Bearer <JWT>`. */
  readonly CREDENTIALS_MISSING: Readonly<Record<never, string>>;
  /** The database has no room for the call. Repeat it after the delay, and call less often. */
  readonly DATABASE_OVERLOADED: Readonly<Record<never, string>>;
  /** The database takes no writes now; nothing was changed. Repeat the call after the delay. */
  readonly DATABASE_READ_ONLY: Readonly<Record<never, string>>;
  /** The database cannot be reached; nothing was changed. Repeat the call after the delay. */
  readonly DATABASE_UNAVAILABLE: Readonly<Record<never, string>>;
  /** The call's deadline has passed. Repeat the call with the same request_id: a change may have happened. */
  readonly DEADLINE_EXCEEDED: Readonly<Record<never, string>>;
  /** The message is compressed too well. Send it uncompressed, or less in one message. */
  readonly DECOMPRESSION_RATIO: Readonly<Record<never, string>>;
  /** Another user has the email. Choose another one: emails are compared without regard to case. */
  readonly EMAIL_TAKEN: Readonly<Record<never, string>>;
  /** The resource has changed since the etag was read. Read it again, decide anew, and send its etag as it was answered, with a new request_id. */
  readonly ETAG_MISMATCH: {
    /** the id of the resource */
    readonly id: string;
    /** the etag that the resource has now */
    readonly etag: string;
    /** the index of the change that was refused (in an atomic batch) */
    readonly index?: string;
  };
  /** The request expects what the server does not do. Send no `expect` header but 100-continue. */
  readonly EXPECTATION_FAILED: Readonly<Record<never, string>>;
  /** The order takes no items any more. Add items only to an order whose status takes them. */
  readonly FINAL_ORDER: {
    /** the id of the order */
    readonly id: string;
  };
  /** An order in this status cannot move to that one. Choose one of the statuses that the PreconditionFailure allows. */
  readonly FORBIDDEN_STATUS_CHANGE: {
    /** the id of the order */
    readonly id: string;
    /** its status */
    readonly from: string;
    /** the status that was asked for */
    readonly to: string;
    /** the index of the change that was refused (in an atomic batch) */
    readonly index?: string;
  };
  /** The header fields are too many or too long. Send fewer or shorter ones. */
  readonly HEADERS_TOO_LARGE: Readonly<Record<never, string>>;
  /** Another call has begun to write the rows of the import. Read the answers of that one: it goes on with the import. Where none does, repeat the import with the same request_id. */
  readonly IMPORT_SUPERSEDED: Readonly<Record<never, string>>;
  /** There is less in stock of a product than is asked for. Ask for less, or make a new call when there is more in stock. */
  readonly INSUFFICIENT_STOCK: {
    /** the id of the product; of several, the first that the request names */
    readonly productId: string;
    /** pieces of it in stock */
    readonly onHand: string;
    /** pieces of it that are asked for */
    readonly requested: string;
    /** all such products, at most ten, between commas: product_id:on_hand:requested */
    readonly shortages: string;
  };
  /** The server has failed; a change may have happened. Give the id to the operators. */
  readonly INTERNAL: {
    /** the id under which the log has the error */
    readonly id: string;
  };
  /** No user has this email and password. Ask the person for them again. */
  readonly INVALID_CREDENTIALS: Readonly<Record<never, string>>;
  /** The request breaks a rule of the contract. Correct the fields that the BadRequest names. */
  readonly INVALID_FIELD: Readonly<Record<never, string>>;
  /** The page token was not answered to these arguments, or has expired. Send the token of the page before with the same arguments, or begin at the first page. */
  readonly INVALID_PAGE_TOKEN: Readonly<Record<never, string>>;
  /** The bytes are no HTTP request. Send a well-formed one that names its host. */
  readonly MALFORMED_HTTP: Readonly<Record<never, string>>;
  /** The body is no request of the method. Send the request message of the method, whole and in the encoding that the headers announce. */
  readonly MALFORMED_REQUEST: Readonly<Record<never, string>>;
  /** A row of an import cannot be read. Correct the row; the rows beside it are not affected. */
  readonly MALFORMED_ROW: Readonly<Record<never, string>>;
  /** The timeout cannot be read. Send grpc-timeout or connect-timeout-ms as their protocols define them. */
  readonly MALFORMED_TIMEOUT: Readonly<Record<never, string>>;
  /** The message is larger than its method takes. Send less in one message. */
  readonly MESSAGE_TOO_LARGE: Readonly<Record<never, string>>;
  /** No token allows this method. Call another one. */
  readonly METHOD_CLOSED: {
    /** the method */
    readonly method: string;
  };
  /** The HTTP method is another one. Use POST, or GET for methods that only read. */
  readonly METHOD_NOT_ALLOWED: Readonly<Record<never, string>>;
  /** The port needs HTTP/1.1. Speak HTTP/1.1 without TLS to the admin port. */
  readonly NEEDS_HTTP1: Readonly<Record<never, string>>;
  /** The port or the method needs HTTP/2. Speak HTTP/2, or use the HTTP port. */
  readonly NEEDS_HTTP2: Readonly<Record<never, string>>;
  /** The port needs TLS. Speak TLS to it. */
  readonly NEEDS_TLS: Readonly<Record<never, string>>;
  /** The server does not do what the headers or the messages ask for. Send what the message asks for: another compression, or as many messages as the method takes. */
  readonly NOT_SUPPORTED: Readonly<Record<never, string>>;
  /** The port has no TLS. Speak to it without TLS. */
  readonly NO_TLS: Readonly<Record<never, string>>;
  /** There is no such order. Use the id of an order that exists; orders are deleted with their user. */
  readonly ORDER_NOT_FOUND: {
    /** the id */
    readonly id: string;
    /** the index of the change that was refused (in an atomic batch) */
    readonly index?: string;
  };
  /** No connection to the database became free in time. Repeat the call after the delay. */
  readonly POOL_EXHAUSTED: Readonly<Record<never, string>>;
  /** There is no such product. Use the id of a product that exists. */
  readonly PRODUCT_NOT_FOUND: {
    /** the id */
    readonly id: string;
  };
  /** The request_id was used for a call that asked for something else. Give each call a request_id of its own, and repeat a call unchanged. */
  readonly REQUEST_ID_REUSED: {
    /** the index of the change that was refused (in an atomic batch) */
    readonly index?: string;
  };
  /** The request came too slowly and was not read to its end; nothing was changed. Send it faster. */
  readonly REQUEST_TIMEOUT: Readonly<Record<never, string>>;
  /** The token lacks a scope of the method. Get one with the scopes that the metadata names. */
  readonly SCOPE_MISSING: {
    /** the method */
    readonly method: string;
    /** the scopes that the token lacks */
    readonly scope: string;
  };
  /** The server is shutting down. Call again, at another server; resume an import behind last_index. */
  readonly SHUTTING_DOWN: {
    /** the last index that was answered (imports) */
    readonly lastIndex?: string;
  };
  /** The issuer of tokens does not answer the service. Repeat the call after the delay. */
  readonly SIGNING_KEYS_UNAVAILABLE: Readonly<Record<never, string>>;
  /** The stock of the product would exceed its upper limit. Add less. */
  readonly STOCK_LIMIT: {
    /** the id of the product */
    readonly productId: string;
    /** pieces of it in stock */
    readonly onHand: string;
  };
  /** A row was refused, and the import was to stop then. Correct the row at index, and resume the import behind the last chunk that was answered. */
  readonly STOPPED_ON_ERROR: {
    /** the index of the row that was refused */
    readonly index: string;
  };
  /** The stream was idle for too long. Call again, and resume behind the last answer. */
  readonly STREAM_IDLE: Readonly<Record<never, string>>;
  /** The token has expired. Get a new one, and call again. */
  readonly TOKEN_EXPIRED: Readonly<Record<never, string>>;
  /** The token is not accepted. Get one of the right issuer, audience and type. */
  readonly TOKEN_INVALID: {
    /** what failed, such as the issuer */
    readonly check: string;
  };
  /** Too many logins have failed. Tell the person how long to wait; do not repeat the login unasked. */
  readonly TOO_MANY_ATTEMPTS: Readonly<Record<never, string>>;
  /** Too many bytes of requests are under way. Repeat the call after the delay, and have fewer large requests under way at once. */
  readonly TOO_MANY_BYTES: Readonly<Record<never, string>>;
  /** Too many calls or streams are under way. Repeat the call after the delay, and have fewer under way at once. */
  readonly TOO_MANY_CALLS: Readonly<Record<never, string>>;
  /** There are too many connections: this one is closed, and only metrics show the reason. Connect again later, with fewer connections. */
  readonly TOO_MANY_CONNECTIONS: Readonly<Record<never, string>>;
  /** Too much was sent that belongs to no call: the connection is closed, and only metrics show the reason. Send only what belongs to calls. */
  readonly TOO_MANY_IDLE_BYTES: Readonly<Record<never, string>>;
  /** The order has as many items as an order can have. Put further items into another order. */
  readonly TOO_MANY_ITEMS: {
    /** the id of the order */
    readonly id: string;
  };
  /** Too many large pages or batches are under way. Repeat the call after the delay, or ask for smaller ones. */
  readonly TOO_MANY_LARGE_READS: Readonly<Record<never, string>>;
  /** The user has too many orders for one call to delete. Have an operator delete orders from the database first. */
  readonly TOO_MANY_ORDERS: {
    /** the id of the user */
    readonly id: string;
  };
  /** Too many passwords wait to be hashed. Repeat the call after the delay. */
  readonly TOO_MANY_PASSWORDS: Readonly<Record<never, string>>;
  /** The request comes in tiny pieces. Send it in larger ones. */
  readonly TOO_MANY_PIECES: Readonly<Record<never, string>>;
  /** Too many calls were reset: the connection is closed (ENHANCE_YOUR_CALM), and only metrics show the reason. Let calls finish. */
  readonly TOO_MANY_RESETS: Readonly<Record<never, string>>;
  /** Too many scrapes are under way; the answer is HTTP 503. Scrape /metrics less often. */
  readonly TOO_MANY_SCRAPES: Readonly<Record<never, string>>;
  /** Too many bytes of answers wait to be read. Read the answers that wait on this connection, and repeat the call. */
  readonly TOO_MANY_UNREAD_BYTES: Readonly<Record<never, string>>;
  /** The total of the order would reach 10^15, the upper limit. Put further items into another order. */
  readonly TOTAL_LIMIT: {
    /** the id of the order */
    readonly id: string;
  };
  /** A library of the transport has ended the call, perhaps with another code. See the message. */
  readonly TRANSPORT: Readonly<Record<never, string>>;
  /** There is no such method. Call a method of the contract. */
  readonly UNKNOWN_METHOD: Readonly<Record<never, string>>;
  /** The server has no such service. Ask for the health of a service that it has, or of the empty name. */
  readonly UNKNOWN_SERVICE: Readonly<Record<never, string>>;
  /** Answers were not read for too long: the stream is reset, and only metrics show the reason. Read answers as they arrive. */
  readonly UNREAD_TOO_LONG: Readonly<Record<never, string>>;
  /** The content type is not one of the port. Send one of those that the message names, or use the port of that protocol. */
  readonly UNSUPPORTED_MEDIA_TYPE: Readonly<Record<never, string>>;
  /** The user has orders. Set force to delete the orders with the user. */
  readonly USER_HAS_ORDERS: {
    /** the id of the user */
    readonly id: string;
  };
  /** There is no such user. Use the id or email of a user who exists. */
  readonly USER_NOT_FOUND: {
    /** the id (by id) */
    readonly id?: string;
    /** the email (by email) */
    readonly email?: string;
    /** ids of users that do not exist, between commas, at most twenty (BatchGetUsers) */
    readonly missing?: string;
  };
};
