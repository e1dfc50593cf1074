/**
 * A bound of what callers can make the service do or hold: plain data, so that it can be listed. `docs/limits.md`
 * is written from here; what the configuration sets has its default in src/config/environment.ts, and what the
 * contract sets stands in the policies of its methods.
 */
export type Bound = {
  /** What is bounded, for people. */
  readonly what: string;
  /** In the unit that `what` names. */
  readonly max: number;
  /** The reason of the ErrorInfo that is answered above it, by which `rpc_server_limited_total` counts. */
  readonly reason: string;
  readonly why: string;
};

const KIBI = 2 ** 10;
const MEBI = 2 ** 20;

/** The bounds, in the order in which a call meets them. */
export const bounds = {
  receiptBytes: {
    what: "bytes of requests that are held at once, from their headers until their calls end",
    max: 64 * MEBI,
    reason: "TOO_MANY_BYTES",
    why: "four of the largest imports; with what it takes to decode them it stays below a container of 512 MiB",
  },
  receiptCallBytes: {
    what: "bytes that a call counts for beside its request",
    max: 4 * KIBI,
    reason: "TOO_MANY_BYTES",
    why: "what streams, timers and closures of a call take until its request is there, measured",
  },
  unreadBytes: {
    what: "bytes of answers that callers have not taken yet",
    max: 64 * MEBI,
    reason: "TOO_MANY_UNREAD_BYTES",
    why: "sixteen of the largest pages: a caller that reads takes one in milliseconds",
  },
  defaultRequestBytes: {
    what: "bytes of a request after decompression, of a method whose policy does not say",
    max: 64 * KIBI,
    reason: "MESSAGE_TOO_LARGE",
    why: "the largest requests of probes and tools have some hundred bytes",
  },
} as const satisfies Readonly<Record<string, Bound>>;
