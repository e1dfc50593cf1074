import type { Reason } from "../errors.ts";

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
  readonly reason?: Reason;
  readonly why: string;
};
