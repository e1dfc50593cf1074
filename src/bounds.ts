/**
 * A bound of what callers can make the service do or hold: plain data, so that it can be listed, as
 * docs/limits.md does. What the configuration sets has its default in src/config/environment.ts, and what the
 * contract sets stands in the policies of its methods.
 */
export type Bound = {
  /** What is bounded, for people. */
  readonly what: string;
  /** In the unit that `what` names. */
  readonly max: number;
  /**
   * The reason of the ErrorInfo that is answered above it, by which `rpc_server_limited_total` counts; of
   * connections, by which `rpc_server_refused_total` does. Without one a connection is closed as it may be
   * at any time.
   */
  readonly reason?: string;
  readonly why: string;
};

const KIBI = 2 ** 10;
const MEBI = 2 ** 20;

/** The bounds, in the order in which a call meets them. */
export const bounds = {
  closingConnections: {
    what: "connections of a port that were told to go and have not gone, above the bound of the others",
    max: 64,
    reason: "TOO_MANY_CONNECTIONS",
    why: "each may bring a call for a quarter of a second yet; behind so many, the eldest is cut at once",
  },
  adminConnections: {
    what: "connections of the admin port",
    max: 128,
    reason: "TOO_MANY_CONNECTIONS",
    why: "probes and scrapes of several operators; each has a file descriptor that is kept free for it",
  },
  scrapesWaiting: {
    what: "requests of /metrics that wait for a scrape",
    max: 16,
    reason: "TOO_MANY_SCRAPES",
    why: "one scrape answers all that wait; a crowd of them is not to take the connections of probes",
  },
  openingMs: {
    what: "milliseconds for each step in which a connection opens: first bytes, TLS, settings of HTTP/2",
    max: 10_000,
    why: "a caller speaks at once; one that takes longer holds a socket for nothing",
  },
  firstCallMs: {
    what: "milliseconds that a connection may stay open without a first call (and up to 10 % longer)",
    max: 60_000,
    why: "clients that connect ahead come back once a minute, which 2,048 of them do 34 times a second",
  },
  idleMs: {
    what: "milliseconds that a connection may stay open after its last call (and up to 10 % longer)",
    max: 300_000,
    why: "browsers and balancers keep one for the next call; after five minutes it is only a socket",
  },
  headersMs: {
    what: "milliseconds in which the headers of a request over HTTP/1.1 must arrive (looked at every 2.5 s)",
    max: 10_000,
    reason: "REQUEST_TIMEOUT",
    why: "headers are one packet or a few",
  },
  http1RequestMs: {
    what: "milliseconds in which a request over HTTP/1.1 must arrive",
    max: 60_000,
    reason: "REQUEST_TIMEOUT",
    why: "the largest body, 16 MiB, takes a minute at 2 Mbit/s",
  },
  adminIdleMs: {
    what: "milliseconds in which a connection of the admin port must move, a request on it or not",
    max: 10_000,
    why: "probes make a connection for each question or ask again within seconds",
  },
  headerFields: {
    what: "header fields of a request",
    max: 128,
    reason: "HEADERS_TOO_LARGE",
    why: "what Node.js takes over HTTP/2; callers behind several proxies send some thirty",
  },
  concurrentStreams: {
    what: "calls that one connection of HTTP/2 may have open; more wait at the client",
    max: 256,
    why: "bounds what one peer can make the service hold; clients open another connection above it",
  },
  sessionMebibytes: {
    what: "MiB that Node.js may hold for one connection of HTTP/2",
    max: 128,
    why: "unread answers (64), the windows of all streams (16) and their headers (16) stay below it",
  },
  resets: {
    what: "calls that a connection may reset within 10 s, beside two for each call that it lets finish",
    max: 512,
    reason: "TOO_MANY_RESETS",
    why: "twice as many as may be open, which can all time out at once; hedging cancels one for each",
  },
  resetMs: {
    what: "milliseconds after which the reset of a call does not count as one",
    max: 1_000,
    why: "256 streams at a time allow 256 such a second, fewer than an honest caller makes calls",
  },
  resetBurst: {
    what: "resets at once of a connection, whatever else it does, before Node.js closes it",
    max: 10_000,
    why: "Node.js would close callers that hedge at its own 1,000 and 33 a second; the bound above is ours",
  },
  scrapeShare: {
    what: "time of the process that scrapes of the metrics may take, as a part of all: one in so many",
    max: 5,
    why: "a scrape takes some 30 ms, in which nothing else runs; a Prometheus asks every few seconds",
  },
  receiptBytes: {
    what: "bytes of requests that are held at once, from their headers until their calls end",
    max: 64 * MEBI,
    reason: "TOO_MANY_BYTES",
    why: "four of the largest imports; with what decoding takes it stays below a container of 512 MiB",
  },
  receiptCallBytes: {
    what: "bytes that a call counts for beside its request",
    max: 4 * KIBI,
    reason: "TOO_MANY_BYTES",
    why: "what streams, timers and closures of a call take until its request is there, measured",
  },
  receiptFloorBytes: {
    what: "bytes of requests that a connection may hold while others hold the most of them",
    max: 64 * KIBI,
    reason: "TOO_MANY_BYTES",
    why: "above it a connection holds as much as is left for all others, so that some is left for each",
  },
  chunkBytes: {
    what: "bytes that each piece counts for in which a message arrives that is not whole yet",
    max: 256,
    reason: "TOO_MANY_BYTES",
    why: "what a buffer of one byte takes in memory",
  },
  pieces: {
    what: "pieces in which a request may arrive, beside one for each 32 bytes",
    max: 1_024,
    reason: "TOO_MANY_PIECES",
    why: "each costs some microseconds; callers cut at kilobytes, and some send prefixes by themselves",
  },
  callsFloor: {
    what: "calls, or streams, that one caller may have running while others have the most of them",
    max: 16,
    reason: "TOO_MANY_CALLS",
    why: "above it a caller has as many as are left for all others; a pool this small is not worth sharing",
  },
  watches: {
    what: "health watches and reflection streams at once, which need no token",
    max: 1_024,
    reason: "TOO_MANY_CALLS",
    why: "one for each client that balances by health; each takes some 20 kB",
  },
  aheadBytes: {
    what: "bytes of a body over HTTP that are taken before they are asked for",
    max: 64 * KIBI,
    why: "as much as a stream of HTTP/2 may send at first: more waits at the caller",
  },
  unreadRequestMs: {
    what: "milliseconds in which the rest of a request over HTTP/1.1 is thrown away that is answered already",
    max: 5_000,
    why: "a caller that reads only when it has written still gets the answer, if it is quick",
  },
  unreadBytes: {
    what: "bytes of answers that callers have not taken yet",
    max: 64 * MEBI,
    reason: "TOO_MANY_UNREAD_BYTES",
    why: "sixteen of the largest pages: a caller that reads takes one in milliseconds",
  },
  unreadFloorBytes: {
    what: "bytes of answers that a connection may leave unread while others have the most of them",
    max: 64 * KIBI,
    reason: "TOO_MANY_UNREAD_BYTES",
    why: "above it a connection has as much as is left for all others",
  },
  unreadMs: {
    what: "milliseconds that an answer waits to be read before its stream is reset",
    max: 60_000,
    reason: "UNREAD_TOO_LONG",
    why: "the longest deadline: nobody waits for the answer any more",
  },
  requestMs: {
    what: "milliseconds in which the request of a method must arrive that has no deadline",
    max: 10_000,
    reason: "DEADLINE_EXCEEDED",
    why: "such a request has a few bytes, which come with its headers",
  },
  elements: {
    what: "elements of a field of many for which the contract has no number of its own",
    max: 1_000,
    reason: "INVALID_FIELD",
    why: "as many as the largest batches of the contract have",
  },
  rows: {
    what: "rows of an import in one request",
    max: (16 * MEBI) / 32,
    reason: "INVALID_FIELD",
    why: "more than there is room for: no sound row has fewer than 32 bytes",
  },
  rowBytes: {
    what: "bytes of a row of an import",
    max: MEBI,
    reason: "MALFORMED_ROW",
    why: "an order of 1000 items has some 130 kB",
  },
  besideRowsBytes: {
    what: "bytes of an import beside its rows",
    max: 4 * KIBI,
    reason: "MALFORMED_REQUEST",
    why: "the fields beside the rows have some 60; those that the service does not know are a newer caller's",
  },
  decompressedFloorBytes: {
    what: "bytes that a compressed message may have whatever its ratio",
    max: MEBI,
    reason: "DECOMPRESSION_RATIO",
    why: "a small message is no burden",
  },
  decompressionRatio: {
    what: "times that a message above that size may be larger than it was sent",
    max: 100,
    reason: "DECOMPRESSION_RATIO",
    why: "imports shrink to a tenth; gzip shrinks nothing but repetitions to a thousandth",
  },
  violations: {
    what: "violations of the contract's rules that an answer tells of",
    max: 10,
    reason: "INVALID_FIELD",
    why: "as many as fit into the trailers that every client takes; the first ones say what is wrong",
  },
  defaultRequestBytes: {
    what: "bytes of a request after decompression, of a method whose policy does not say",
    max: 64 * KIBI,
    reason: "MESSAGE_TOO_LARGE",
    why: "the largest requests of probes and tools have some hundred bytes",
  },
  passwords: {
    what: "passwords that are hashed or wait for it, for each hash that runs at once",
    max: 64,
    reason: "TOO_MANY_PASSWORDS",
    why: "at 30 ms a hash the last one waits 2 s, less than half of the default deadline",
  },
  passwordsFloor: {
    what: "passwords that one caller may have in the queue while others have the most of them",
    max: 4,
    reason: "TOO_MANY_PASSWORDS",
    why: "above it a caller has as many places as are left for all others",
  },
} as const satisfies Readonly<Record<string, Bound>>;
