import type { Reason } from "../errors.ts";

/**
 * A bound on what callers can make the service do or hold: plain data, from which docs/limits.md is
 * generated. Bounds that are configurable have their defaults in src/config/environment.ts, and bounds of the
 * contract stand in the policies of its methods.
 */
export type Bound = {
  /** What is bounded, as docs/limits.md says it. */
  readonly what: string;
  /** In the unit that `what` names. */
  readonly max: number;
  /**
   * The reason of the ErrorInfo that is answered above the bound; `rpc_server_limits_met_total` counts by it.
   * Without a reason the connection is closed, as it may be at any time.
   */
  readonly reason?: Reason;
  readonly why: string;
};
