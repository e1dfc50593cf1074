import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Service } from "../call.ts";
import { DomainError } from "../errors.ts";
import {
  type Health as HealthDesc,
  type HealthCheckResponseSchema,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../gen/grpc/health/v1/health_pb.ts";

/** The service name whose health says only that the process runs: what a liveness probe asks for. */
const LIVENESS = "liveness";

/** Whether the service takes calls, and why not. */
export type Readiness = { readonly serving: boolean; readonly reason: string };

/** What the probes of every listener are answered from. */
export type Health = {
  readonly readiness: () => Readiness;
  /** Says whether calls can be served; `reason` is for people. Without effect after shutdown(). */
  readonly set: (serving: boolean, reason?: string) => void;
  /** Not serving, for good: balancers are to send their calls elsewhere. */
  readonly shutdown: () => void;
  /** The status of a service, or undefined for a name that is not served. */
  readonly status: (service: string) => ServingStatus | undefined;
  readonly services: () => readonly string[];
  /**
   * The status of a service now and after each change, until the signal aborts. A slow reader sees the last
   * change.
   */
  readonly watch: (service: string, signal: AbortSignal) => AsyncIterable<ServingStatus>;
};

/**
 * Health that starts as not serving. "" and every given service follow readiness, because they all need the
 * same database; "liveness" is serving while the process answers at all.
 */
export function createHealth(serviceNames: readonly string[]): Health {
  const following = new Set(["", ...serviceNames]);
  const listeners = new Set<() => void>();
  let readiness: Readiness = { serving: false, reason: "starting" };
  let shut = false;

  const change = (next: Readiness): void => {
    readiness = next;
    for (const listener of listeners) listener();
  };
  const status = (service: string): ServingStatus | undefined => {
    if (service === LIVENESS) return ServingStatus.SERVING;
    if (!following.has(service)) return undefined;
    return readiness.serving ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
  };

  return {
    readiness: () => readiness,
    status,
    services: () => [...following, LIVENESS],
    set(serving, reason = "") {
      if (!shut) change({ serving, reason });
    },
    shutdown() {
      shut = true;
      change({ serving: false, reason: "shutting down" });
    },
    async *watch(service, signal) {
      let wake = (): void => {};
      const listener = (): void => wake();
      listeners.add(listener);
      signal.addEventListener("abort", listener);
      try {
        let last: ServingStatus | undefined;
        while (!signal.aborted) {
          // Made before the status is read, so that no change falls between the two.
          const changed = new Promise<void>((resolve) => (wake = resolve));
          const current = status(service) ?? ServingStatus.SERVICE_UNKNOWN;
          if (current !== last) yield (last = current);
          else await changed;
        }
      } finally {
        listeners.delete(listener);
        signal.removeEventListener("abort", listener);
      }
    },
  };
}

/** grpc.health.v1 over a Health. Check answers NOT_FOUND for an unknown service, Watch SERVICE_UNKNOWN. */
export function healthService(health: Health): Service<typeof HealthDesc> {
  return {
    check({ service }) {
      const status = health.status(service);
      if (status === undefined) {
        const resource = { type: "grpc.health.v1.service", name: service };
        throw new DomainError("not_found", "UNKNOWN_SERVICE", `no service ${service}`, { resource });
      }
      return { status };
    },
    list() {
      const statuses: Record<string, MessageInitShape<typeof HealthCheckResponseSchema>> = {};
      for (const service of health.services()) statuses[service] = { status: health.status(service)! };
      return { statuses };
    },
    async *watch({ service }, { signal, draining }) {
      // It would outlast every drain, and has said NOT_SERVING by then.
      for await (const status of health.watch(service, AbortSignal.any([signal, draining]))) yield { status };
      draining.throwIfAborted();
    },
  };
}
