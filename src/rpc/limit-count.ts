import type { ConnectError } from "@connectrpc/connect";
import { Counter, type Registry } from "prom-client";
import { type Bound, bounds } from "../bounds.ts";
import type { Reason } from "../errors.ts";
import { toLogFields } from "./status.ts";

/** The reasons that are used for limits only. */
const LIMITS: ReadonlySet<string> = new Set<Reason>([
  ...Object.values<Bound>(bounds).flatMap(({ reason }) =>
    reason === undefined || /^(INVALID|MALFORMED)_/.test(reason) ? [] : [reason],
  ),
  "STREAM_IDLE",
  "TOO_MANY_ATTEMPTS",
  "DATABASE_OVERLOADED",
]);

/** Creates the counter of errors whose reason is a limit. */
export function createLimitCount(registers: Registry[]): (error: ConnectError) => void {
  const limited = new Counter({
    name: "rpc_server_limited_total",
    help: "Calls and connections refused because a limit was met, by the reason in their answer.",
    labelNames: ["limit"],
    registers,
  });
  return (error) => {
    const { reason } = toLogFields(error);
    if (LIMITS.has(String(reason))) limited.inc({ limit: String(reason) });
  };
}
