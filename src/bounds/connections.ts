import type { Bound } from "./bound.ts";

/** Bounds of connections and of the calls that begin on them, in the order in which they are met. */
export const connectionBounds = {
  closingConnections: {
    what: "connections of a port that were told to close and have not, above the bound of the others",
    max: 64,
    reason: "TOO_MANY_CONNECTIONS",
    why: "each may bring a call for another quarter of a second; above it the oldest is cut at once",
  },
  closingMs: {
    what: "milliseconds that a connection may stay after it was told to close while no call ran on it",
    max: 10_000,
    why: "twice the default deadline of a call that arrived in the last moment",
  },
  handoffs: {
    what: "connections that several workers have still to take",
    max: 1_024,
    reason: "TOO_MANY_CONNECTIONS",
    why: "as many as the kernel queues for two ports; each is a descriptor of the process that leads",
  },
  handoffsFloor: {
    what: "connections from one address that workers have still to take even when others wait, too",
    max: 16,
    reason: "TOO_MANY_CONNECTIONS",
    why: "above it an address may have as many as are left for all others",
  },
  adminConnections: {
    what: "connections of the admin port",
    max: 128,
    reason: "TOO_MANY_CONNECTIONS",
    why: "probes and scrapes of several operators; a file descriptor is reserved for each",
  },
  scrapesWaiting: {
    what: "requests to /metrics that may wait for a scrape",
    max: 16,
    reason: "TOO_MANY_SCRAPES",
    why: "one scrape answers all that wait; more must not take the connections of probes",
  },
  openingMs: {
    what: "milliseconds for each step of opening a connection: first bytes, TLS, settings of HTTP/2",
    max: 10_000,
    why: "clients send at once; one that takes longer holds a socket for nothing",
  },
  firstCallMs: {
    what: "milliseconds that a connection may stay open without a first call (and up to 10 % longer)",
    max: 60_000,
    why: "clients that connect ahead reconnect once a minute; 2,048 of them do so 34 times a second",
  },
  idleMs: {
    what: "milliseconds that a connection may stay open after its last call (and up to 10 % longer)",
    max: 300_000,
    why: "browsers and load balancers keep one for the next call; five minutes later it only costs a socket",
  },
  idleBytes: {
    what: "bytes in a quarter of a second on an HTTP/2 connection on which no call runs or has begun",
    max: 2 ** 20,
    reason: "TOO_MANY_IDLE_BYTES",
    why: "the rest of calls that were answered early is less; headers that become no call cost as much",
  },
  headersMs: {
    what: "milliseconds in which the headers of an HTTP/1.1 request must arrive (checked every 2.5 s)",
    max: 10_000,
    reason: "REQUEST_TIMEOUT",
    why: "headers are one packet or a few",
  },
  http1RequestMs: {
    what: "milliseconds in which an HTTP/1.1 request must arrive",
    max: 60_000,
    reason: "REQUEST_TIMEOUT",
    why: "the largest body, 16 MiB, takes a minute at 2 Mbit/s",
  },
  adminIdleMs: {
    what: "milliseconds that a connection of the admin port may be idle, with or without a request",
    max: 10_000,
    why: "probes connect for each request or repeat it within seconds",
  },
  headerFields: {
    what: "header fields of a request",
    max: 128,
    reason: "HEADERS_TOO_LARGE",
    why: "the limit of Node.js over HTTP/2; requests behind several proxies have some thirty",
  },
  concurrentStreams: {
    what: "calls that one HTTP/2 connection may have open; more wait at the client",
    max: 128,
    why: "bounds what one peer can make the service do at once; at 5 ms a call, 25,600 calls a second",
  },
  callsPerTurn: {
    what: "HTTP/2 calls that a port begins in one turn of the event loop, taking connections in turn",
    max: 16,
    why: "five to fifteen milliseconds, after which other events are handled",
  },
  sessionMebibytes: {
    what: "MiB that Node.js may hold for one HTTP/2 connection",
    max: 128,
    why: "above the sum of unread answers (64), the windows of all streams (8) and their headers (8)",
  },
  resets: {
    what: "calls that a connection may reset within 10 s, in addition to two per call that it lets finish",
    max: 256,
    reason: "TOO_MANY_RESETS",
    why: "twice as many as may be open, which can all time out at once; hedging cancels one per call",
  },
  resetMs: {
    what: "milliseconds after which resetting a call does not count",
    max: 250,
    why: "128 streams at a time allow 512 such a second; callers with short deadlines reset late calls",
  },
  resetBurst: {
    what: "resets in a burst, whatever else a connection does, before Node.js closes it",
    max: 10_000,
    why: "Node.js' default, 1,000 and 33 a second, would cut callers that hedge; the bound above acts first",
  },
  rejectedStreams: {
    what: "calls above the open ones that a connection may begin, in all its life, before Node.js ends it",
    max: 10_000,
    why: "places of calls that were reset are free a moment later; Node.js would end callers at its own 100",
  },
  scrapeShare: {
    what: "share of the process' time that scrapes of the metrics may take: one part in so many",
    max: 5,
    why: "a scrape takes some 30 ms in which nothing else runs; Prometheus scrapes every few seconds",
  },
} as const satisfies Readonly<Record<string, Bound>>;
