import type { Bound } from "./bound.ts";

const KIBI = 2 ** 10;
const MEBI = 2 ** 20;

/** What bounds calls, in the order in which they meet it. */
export const callBounds = {
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
  largeReadRows: {
    what: "rows that a call may read without waiting for its turn among the large reads",
    max: 100,
    why: "a page of so many takes a millisecond of the process, one of a thousand some ten",
  },
  largeReads: {
    what: "large reads that run at once",
    max: 2,
    reason: "TOO_MANY_LARGE_READS",
    why: "one is read by the process while the database finds the rows of the other",
  },
  largeReadsWaiting: {
    what: "large reads that wait for their turn",
    max: 128,
    reason: "TOO_MANY_LARGE_READS",
    why: "the last one waits for about a second, and callers that ask for no deadline have five",
  },
  largeReadsFloor: {
    what: "large reads of one caller that may wait while others are the most of those",
    max: 8,
    reason: "TOO_MANY_LARGE_READS",
    why: "above it a caller has as many as are left for all others",
  },
  queueFloor: {
    what: "calls of one caller that may wait for a database connection while others are the most of those",
    max: 16,
    reason: "POOL_EXHAUSTED",
    why: "above it a caller has as many places in the queue as are left for all others",
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
