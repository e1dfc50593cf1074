import type { DescMethod } from "@bufbuild/protobuf";
import { DomainError } from "../db/errors.ts";
import type { Telemetry } from "./telemetry.ts";

/**
 * A method as slots see it. Infrastructure (probes, reflection) takes none: it must answer when nothing else
 * does.
 */
type Occupant = { readonly desc: DescMethod; readonly infrastructure: boolean };

/** The places of handlers that run. */
export type Slots = {
  /** Throws a DomainError "exhausted" when all are taken. */
  readonly take: (rpc: Occupant) => void;
  readonly release: (rpc: Occupant) => void;
  /** How many are taken. */
  readonly taken: () => number;
};

// Shed callers come back spread over this time, not all at once.
const retryAfterMsMin = 100;
const retryAfterMsMax = 1_000;

/**
 * Bounds the handlers that run. A slot is released when its handler has really stopped, not when its caller
 * has been answered: what must be bounded is the work.
 */
export function createSlots(inFlightMax: number, telemetry: Telemetry): Slots {
  let taken = 0;
  telemetry.gauge("rpc_server_in_flight", "Handlers that are running.", () => taken);
  const countShed = telemetry.counter("rpc_server_shed_total", "Calls refused under overload.", "method");
  return {
    take({ desc, infrastructure }) {
      if (infrastructure) return;
      if (taken >= inFlightMax) {
        countShed(desc.name);
        const retryAfterMs = retryAfterMsMin + Math.random() * (retryAfterMsMax - retryAfterMsMin);
        throw new DomainError("exhausted", "TOO_MANY_CALLS", "too many calls in flight", {
          retryAfterMs: Math.round(retryAfterMs),
        });
      }
      taken += 1;
    },
    release({ infrastructure }) {
      if (!infrastructure) taken -= 1;
    },
    taken: () => taken,
  };
}
