import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Service } from "../call.ts";
import { createError } from "../errors.ts";
import {
  type Health as HealthDesc,
  type HealthCheckResponseSchema,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../gen/grpc/health/v1/health_pb.ts";

/** The name to ask for in a liveness probe: its health only says that the process runs. */
const LIVENESS = "liveness";

/** Whether the service takes calls, and why not. */
export type Readiness = { readonly serving: boolean; readonly reason: string };

/** The health that probes of all listeners read. */
export type Health = {
  readonly readiness: () => Readiness;
  /** Sets whether calls can be served; `reason` is for operators. Without effect after shutdown(). */
  readonly set: (serving: boolean, reason?: string) => void;
  /** Sets not serving for good, so that load balancers send calls elsewhere. */
  readonly shutdown: () => void;
  /** The status of a service; undefined for an unknown name. */
  readonly status: (service: string) => ServingStatus | undefined;
  readonly services: () => readonly string[];
  /**
   * Yields the status of a service now and after each change, until the signal aborts. A slow reader sees
   * only the last change.
   */
  readonly watch: (service: string, signal: AbortSignal) => AsyncIterable<ServingStatus>;
};

/**
 * Creates health that starts as not serving. "" and every given service follow readiness, because all need
 * the same database; "liveness" serves as long as the process answers. `onChange` is told of each change of
 * readiness, but of the last one, by shutdown().
 */
export function createHealth(
  serviceNames: readonly string[],
  onChange: (readiness: Readiness) => void = () => {},
): Health {
  const following = new Set(["", ...serviceNames]);
  const listeners = new Set<() => void>();
  let readiness: Readiness = { serving: false, reason: "starting" };
  let shut = false;

  const change = (next: Readiness): void => {
    const isNew = next.serving !== readiness.serving || next.reason !== readiness.reason;
    readiness = next;
    if (isNew && !shut) onChange(next);
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
          // Created before the status is read, so that no change is missed between the two.
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

/** The grpc.health.v1 service. Check answers NOT_FOUND for an unknown service, Watch SERVICE_UNKNOWN. */
export function healthService(health: Health): Service<typeof HealthDesc> {
  return {
    check({ service }) {
      const status = health.status(service);
      if (status === undefined) {
        const resource = { type: "grpc.health.v1.service", name: service };
        throw createError("UNKNOWN_SERVICE", `no service ${service}`, { resource });
      }
      return { status };
    },
    list() {
      const statuses: Record<string, MessageInitShape<typeof HealthCheckResponseSchema>> = {};
      for (const service of health.services()) statuses[service] = { status: health.status(service)! };
      return { statuses };
    },
    async *watch({ service }, { signal, draining }) {
      // A watch would outlast every drain; it has reported NOT_SERVING by then.
      for await (const status of health.watch(service, AbortSignal.any([signal, draining]))) yield { status };
      draining.throwIfAborted();
    },
  };
}
