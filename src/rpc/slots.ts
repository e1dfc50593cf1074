import type { DescMethod } from "@bufbuild/protobuf";
import { bounds } from "../bounds.ts";
import { createError, type DomainError } from "../errors.ts";
import { createShares, type Shares } from "../shares.ts";
import type { CallLimits } from "./limits.ts";
import type { Telemetry } from "./telemetry.ts";

/** A method as slots see it. Infrastructure is what probes and tools call. */
type Occupant = { readonly desc: DescMethod; readonly infrastructure: boolean };

/** The places of handlers that run. */
export type Slots = {
  /**
   * Throws a DomainError "exhausted" when all are taken, or when the holder has its share. Disposal, when the
   * handler has stopped, frees the place.
   */
  readonly take: (rpc: Occupant, holder: unknown) => Disposable;
  /** How many are taken, but for those of infrastructure. */
  readonly taken: () => number;
};

// Shed callers come back spread over this time, not all at once.
const retryAfterMsMin = 100;
const retryAfterMsMax = 1_000;

const FREE: Disposable = { [Symbol.dispose]() {} };

/**
 * Bounds the handlers that run: of calls and of streams, each in a pool of its own, so that streams, which
 * last, leave the calls alone, and each shared among its holders. A place is freed when its handler has
 * really stopped, not when its caller has been answered: what must be bounded is the work. Probes take no
 * place: they must be answered when nothing else is; watches and reflection, which last, have their own pool.
 */
export function createSlots({ inFlightMax, streamsMax }: CallLimits, telemetry: Telemetry): Slots {
  const floor = bounds.callsFloor.max;
  const calls = createShares<unknown>({ max: inFlightMax, floor });
  const streams = createShares<unknown>({ max: streamsMax, floor });
  const watches = createShares<unknown>({ max: bounds.watches.max, floor });
  const poolOf = ({ desc, infrastructure }: Occupant): Shares<unknown> | undefined => {
    if (desc.methodKind === "unary") return infrastructure ? undefined : calls;
    return infrastructure ? watches : streams;
  };
  const taken = (): number => calls.taken() + streams.taken();
  telemetry.gauge("rpc_server_in_flight", "Handlers that are running.", taken);
  telemetry.gauge("rpc_server_streams", "Handlers of streams that are running.", streams.taken);
  telemetry.gauge("rpc_server_watches", "Health watches and reflection streams.", watches.taken);
  const countShed = telemetry.counter("rpc_server_shed_total", "Calls refused under overload.", "method");
  return {
    taken,
    take(rpc, holder) {
      const pool = poolOf(rpc);
      if (!pool) return FREE;
      if (!pool.take(holder)) {
        countShed(rpc.desc.name);
        throw tooMany(rpc);
      }
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
