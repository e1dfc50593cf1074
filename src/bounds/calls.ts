import type { Bound } from "./bound.ts";

const KIBI = 2 ** 10;
const MEBI = 2 ** 20;

/** Bounds of calls, in the order in which a call meets them. */
export const callBounds = {
  receiptBytes: {
    what: "bytes of requests held at once, from their headers until their calls end",
    max: 64 * MEBI,
    reason: "TOO_MANY_BYTES",
    why: "four of the largest imports; with what decoding takes it stays below a container of 512 MiB",
  },
  receiptCallBytes: {
    what: "bytes that a call counts beside its request",
    max: 4 * KIBI,
    reason: "TOO_MANY_BYTES",
    why: "measured: the streams, timers and closures of a call until its request has arrived",
  },
  receiptFloorBytes: {
    what: "bytes of requests that a connection may hold even when others hold most of them",
    max: 64 * KIBI,
    reason: "TOO_MANY_BYTES",
    why: "above it a connection may hold as much as is left for all others, so that each gets some",
  },
  chunkBytes: {
    what: "bytes that each piece of an incomplete message counts in addition to its length",
    max: 256,
    reason: "TOO_MANY_BYTES",
    why: "the memory of a buffer of one byte",
  },
  pieces: {
    what: "pieces in which a request may arrive, in addition to one per 32 bytes",
    max: 1_024,
    reason: "TOO_MANY_PIECES",
    why: "each costs some microseconds; clients cut at kilobytes, and some send prefixes separately",
  },
  callsFloor: {
    what: "calls, or streams, that one caller may have in flight even when others have most of them",
    max: 16,
    reason: "TOO_MANY_CALLS",
    why: "above it a caller may have as many as are left for all others; sharing fewer is not worth it",
  },
  largeReadRows: {
    what: "rows that a call may read without waiting for its turn as a large read",
    max: 100,
    why: "a page of 100 takes the process a millisecond, one of 1,000 some ten",
  },
  largeReads: {
    what: "large reads that run at once",
    max: 2,
    reason: "TOO_MANY_LARGE_READS",
    why: "the process decodes one while the database finds the rows of the other",
  },
  largeReadsWaiting: {
    what: "large reads that may wait for their turn",
    max: 128,
    reason: "TOO_MANY_LARGE_READS",
    why: "the last one waits about a second of the default deadline of five",
  },
  largeReadsFloor: {
    what: "large reads of one caller that may wait even when others fill most of the queue",
    max: 8,
    reason: "TOO_MANY_LARGE_READS",
    why: "above it a caller may have as many as are left for all others",
  },
  queueFloor: {
    what: "calls of one caller waiting for a database connection even when others fill most of the queue",
    max: 16,
    reason: "POOL_EXHAUSTED",
    why: "above it a caller may have as many places in the queue as are left for all others",
  },
  watches: {
    what: "health watches and reflection streams in flight, which need no token",
    max: 1_024,
    reason: "TOO_MANY_CALLS",
    why: "one per client that balances by health; each takes some 20 kB",
  },
  aheadBytes: {
    what: "bytes of a body on the HTTP port that are read ahead",
    max: 64 * KIBI,
    why: "the initial window of an HTTP/2 stream: the caller holds back the rest",
  },
  unreadRequestMs: {
    what: "milliseconds for which the rest of an HTTP/1.1 request is discarded after an early answer",
    max: 5_000,
    why: "a client that reads only after it has written still gets the answer if it is quick",
  },
  unreadBytes: {
    what: "bytes of answers that callers have not read yet",
    max: 64 * MEBI,
    reason: "TOO_MANY_UNREAD_BYTES",
    why: "sixteen of the largest pages; a caller that reads takes one in milliseconds",
  },
  unreadFloorBytes: {
    what: "bytes of answers that a connection may leave unread even when others have most of them",
    max: 64 * KIBI,
    reason: "TOO_MANY_UNREAD_BYTES",
    why: "above it a connection may have as much as is left for all others",
  },
  unreadMs: {
    what: "milliseconds that an answer may stay unread before its stream is reset",
    max: 60_000,
    reason: "UNREAD_TOO_LONG",
    why: "the longest deadline: the caller has stopped waiting for the answer",
  },
  requestMs: {
    what: "milliseconds in which the request of a method without a deadline must arrive",
    max: 10_000,
    reason: "DEADLINE_EXCEEDED",
    why: "such a request has a few bytes, which arrive with its headers",
  },
  elements: {
    what: "elements of a repeated field that has no limit in the contract",
    max: 1_000,
    reason: "INVALID_FIELD",
    why: "the size of the largest batches in the contract",
  },
  rows: {
    what: "rows of an import in one request",
    max: (16 * MEBI) / 32,
    reason: "INVALID_FIELD",
    why: "more than fit: a valid row has at least 32 bytes",
  },
  rowBytes: {
    what: "bytes of a row of an import",
    max: MEBI,
    reason: "MALFORMED_ROW",
    why: "an order of 1000 items has some 130 kB",
  },
  besideRowsBytes: {
    what: "bytes of an import request besides its rows",
    max: 4 * KIBI,
    reason: "MALFORMED_REQUEST",
    why: "the known fields have some 60; unknown fields come from newer callers",
  },
  decompressedFloorBytes: {
    what: "bytes that a compressed message may decompress to whatever its ratio",
    max: MEBI,
    reason: "DECOMPRESSION_RATIO",
    why: "a small message is no burden",
  },
  decompressionRatio: {
    what: "times its compressed size that a message above that may decompress to",
    max: 100,
    reason: "DECOMPRESSION_RATIO",
    why: "imports compress to a tenth; gzip compresses only repetitions to a thousandth",
  },
  violations: {
    what: "violations of the contract's rules that an answer lists",
    max: 10,
    reason: "INVALID_FIELD",
    why: "as many as fit into the trailers that every client accepts; the first ones show what is wrong",
  },
  defaultRequestBytes: {
    what: "bytes of a request after decompression, for methods without a limit in their policy",
    max: 64 * KIBI,
    reason: "MESSAGE_TOO_LARGE",
    why: "the largest requests of probes and tools have some hundred bytes",
  },
  passwords: {
    what: "passwords being hashed or waiting, per hash that may run at once",
    max: 64,
    reason: "TOO_MANY_PASSWORDS",
    why: "at 30 ms a hash the last one waits 2 s, less than half of the default deadline",
  },
  passwordsFloor: {
    what: "passwords that one caller may have in the queue even when others have most of them",
    max: 4,
    reason: "TOO_MANY_PASSWORDS",
    why: "above it a caller may have as many places as are left for all others",
  },
} as const satisfies Readonly<Record<string, Bound>>;
