import type { DescMethod } from "@bufbuild/protobuf";
import { bounds } from "../bounds.ts";
import { createError, type DomainError } from "../errors.ts";
import { createShares, type Shares } from "../shares.ts";
import type { CallLimits } from "./limits.ts";
import type { Telemetry } from "../telemetry/telemetry.ts";

/** A method whose handler wants to run. Infrastructure is what probes and tools call. */
type Occupant = { readonly desc: DescMethod; readonly infrastructure: boolean };

/** The limit of handlers that run at once. */
export type InFlightLimit = {
  /**
   * Takes a place for a handler. Throws a DomainError "exhausted" when all places are taken or the holder has
   * its share. Dispose of the place when the handler has stopped.
   */
  readonly take: (rpc: Occupant, holder: unknown) => Disposable;
  /** Places that are taken, without those of infrastructure. */
  readonly taken: () => number;
};

// Shed callers come back spread over this time, not all at once.
const retryAfterMsMin = 100;
const retryAfterMsMax = 1_000;

const FREE: Disposable = { [Symbol.dispose]() {} };

/**
 * Limits the handlers that run at once. Calls and streams have a pool each, because streams last, and each
 * pool is shared among its holders. A place is freed when its handler has really stopped, not when its caller
 * has been answered, because the limit is on work. Probes take no place, so that they are answered under any
 * load; watches and reflection, which last, have a pool of their own.
 */
export function createInFlightLimit(
  { inFlightMax, streamsMax }: CallLimits,
  telemetry: Telemetry,
): InFlightLimit {
  const floor = bounds.callsFloor.max;
  const calls = createShares<unknown>({ max: inFlightMax, floor });
  const streams = createShares<unknown>({ max: streamsMax, floor });
  const watches = createShares<unknown>({ max: bounds.watches.max, floor });
  const poolOf = ({ desc, infrastructure }: Occupant): Shares<unknown> | undefined => {
    if (desc.methodKind === "unary") return infrastructure ? undefined : calls;
    return infrastructure ? watches : streams;
  };
  const taken = (): number => calls.taken() + streams.taken();
  telemetry.gauge(
    {
      name: "rpc_server_active_calls",
      help: "Handlers that are running: of calls, of streams, of health watches and reflection.",
      labels: ["kind"],
    },
    () => [
      [{ kind: "call" }, calls.taken()],
      [{ kind: "stream" }, streams.taken()],
      [{ kind: "watch" }, watches.taken()],
    ],
  );
  return {
    taken,
    take(rpc, holder) {
      const pool = poolOf(rpc);
      if (!pool) return FREE;
      if (!pool.take(holder)) throw tooMany(rpc);
      return { [Symbol.dispose]: () => pool.release(holder) };
    },
  };
}

function tooMany({ desc }: Occupant): DomainError {
  const retryAfterMs = retryAfterMsMin + Math.random() * (retryAfterMsMax - retryAfterMsMin);
  const what = desc.methodKind === "unary" ? "calls" : "streams";
  return createError(bounds.callsFloor.reason, `too many ${what} in flight`, {
    retryAfterMs: Math.round(retryAfterMs),
  });
}
