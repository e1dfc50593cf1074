import type { Bound } from "./bound.ts";

/** What bounds connections and the calls that begin on them, in the order in which they meet it. */
export const connectionBounds = {
  closingConnections: {
    what: "connections of a port that were told to go and have not gone, above the bound of the others",
    max: 64,
    reason: "TOO_MANY_CONNECTIONS",
    why: "each may bring a call for a quarter of a second yet; behind so many, the eldest is cut at once",
  },
  closingMs: {
    what: "milliseconds that a connection may stay which was told to go when no call ran on it",
    max: 10_000,
    why: "a call that came in the last moment has its default deadline and as long again",
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
  idleBytes: {
    what: "bytes in a quarter of a second on a connection of HTTP/2 without a call that runs or has begun",
    max: 2 ** 20,
    reason: "TOO_MANY_IDLE_BYTES",
    why: "what is left of calls that were answered early is less; headers that become no call cost as much",
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
    max: 128,
    why: "bounds what one peer can make the service do at once; at 5 ms a call, 25,600 calls a second",
  },
  callsPerTurn: {
    what: "calls over HTTP/2 that a port begins in one turn of the event loop, of all connections in turn",
    max: 16,
    why: "five to fifteen milliseconds, after which what else has arrived is heard",
  },
  sessionMebibytes: {
    what: "MiB that Node.js may hold for one connection of HTTP/2",
    max: 128,
    why: "unread answers (64), the windows of all streams (8) and their headers (8) stay below it",
  },
  resets: {
    what: "calls that a connection may reset within 10 s, beside two for each call that it lets finish",
    max: 256,
    reason: "TOO_MANY_RESETS",
    why: "twice as many as may be open, which can all time out at once; hedging cancels one for each",
  },
  resetMs: {
    what: "milliseconds after which the reset of a call does not count as one",
    max: 250,
    why: "128 streams at a time allow 512 such a second; callers with short deadlines reset what is late",
  },
  resetBurst: {
    what: "resets at once of a connection, whatever else it does, before Node.js closes it",
    max: 10_000,
    why: "Node.js would close callers that hedge at its own 1,000 and 33 a second; the bound above is ours",
  },
  rejectedStreams: {
    what: "calls above the open ones that a connection may begin, in all its life, before Node.js ends it",
    max: 10_000,
    why: "places of calls that were reset are free a moment later; Node.js would end callers at its own 100",
  },
  scrapeShare: {
    what: "time of the process that scrapes of the metrics may take, as a part of all: one in so many",
    max: 5,
    why: "a scrape takes some 30 ms, in which nothing else runs; a Prometheus asks every few seconds",
  },
} as const satisfies Readonly<Record<string, Bound>>;
