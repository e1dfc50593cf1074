import type { Definition } from "./definition.ts";

/** What a port answers by itself, to what is no call or cannot become one. */
export const transportReasons = {
  UNKNOWN_METHOD: {
    kind: "unimplemented",
    repeat: "never",
    action: "Call a method of the contract.",
  },
  NOT_SUPPORTED: {
    kind: "unimplemented",
    repeat: "never",
    action: "Send what the message asks for: another compression, or as many messages as the method takes.",
  },
  METHOD_NOT_ALLOWED: {
    kind: "unimplemented",
    repeat: "never",
    action: "Use POST, or GET for methods that only read.",
  },
  UNSUPPORTED_MEDIA_TYPE: {
    kind: "unimplemented",
    repeat: "never",
    action: "Send one of the content types that the message names, or use the port of that protocol.",
  },
  EXPECTATION_FAILED: {
    kind: "unimplemented",
    repeat: "never",
    action: "Send no `expect` header but 100-continue.",
  },
  NEEDS_HTTP2: {
    kind: "unimplemented",
    repeat: "never",
    action: "Speak HTTP/2, or use the HTTP port.",
  },
  NEEDS_HTTP1: {
    kind: "invalid",
    repeat: "never",
    action: "Speak HTTP/1.1 without TLS to the admin port.",
  },
  NEEDS_TLS: {
    kind: "invalid",
    repeat: "never",
    action: "Speak TLS to this port.",
  },
  NO_TLS: {
    kind: "invalid",
    repeat: "never",
    action: "Speak to this port without TLS.",
  },
  MALFORMED_HTTP: {
    kind: "invalid",
    repeat: "never",
    action: "Send a well-formed HTTP request that names its host.",
  },
  HEADERS_TOO_LARGE: {
    kind: "exhausted",
    repeat: "never",
    action: "Send fewer or shorter header fields.",
  },
  REQUEST_TIMEOUT: {
    kind: "deadline_exceeded",
    repeat: "never",
    action: "Send the request faster; it was not read to its end, and nothing was changed.",
  },
  UNREAD_TOO_LONG: {
    kind: "deadline_exceeded",
    repeat: "same_request_id",
    action: "Read answers as they arrive; the stream is reset, and only metrics show the reason.",
  },
  TOO_MANY_CONNECTIONS: {
    kind: "exhausted",
    repeat: "after_wait",
    action:
      "Connect again later, with fewer connections; this one is closed, and only metrics show the reason.",
  },
  TOO_MANY_IDLE_BYTES: {
    kind: "exhausted",
    repeat: "never",
    action: "Send only what belongs to calls; the connection is closed, and only metrics show the reason.",
  },
  TOO_MANY_RESETS: {
    kind: "exhausted",
    repeat: "same_request_id",
    action:
      "Let calls finish; the connection is closed (ENHANCE_YOUR_CALM), and only metrics show the reason.",
  },
  TOO_MANY_SCRAPES: {
    kind: "exhausted",
    repeat: "after_wait",
    action: "Scrape /metrics less often; the answer is HTTP 503.",
  },
  TRANSPORT: {
    kind: "internal",
    repeat: "same_request_id",
    action: "See the message: a library of the transport has ended the call, perhaps with another code.",
  },
} as const satisfies Readonly<Record<string, Definition>>;

/** A reason that no handler gives. None of them has metadata or a RetryInfo. */
export type TransportReason = keyof typeof transportReasons;
