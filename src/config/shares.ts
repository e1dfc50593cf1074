import { availableParallelism } from "node:os";
import type { Report } from "./connection.ts";
import type { Values } from "./environment.ts";
import type { Config } from "./types.ts";
import { workersMax } from "./workers.ts";

/** The limits that workers share, of which each worker needs at least one. */
const shared = [
  "CRDB_MAX_CONNS",
  "CONNECTIONS_MAX",
  "CONNECTIONS_PEER_MAX",
  "CALL_IN_FLIGHT_MAX",
  "STREAM_IN_FLIGHT_MAX",
] as const;

/**
 * The number of workers. `auto` is never more than the limits have room for; a number that is gets reported.
 */
export function toWorkers(values: Values, report: Report): number {
  const { WORKERS: asked } = values;
  if (asked === "auto")
    return Math.min(availableParallelism(), workersMax, ...shared.map((name) => values[name]));
  const scarce = shared.filter((name) => values[name] < asked);
  if (scarce.length > 0)
    report(["WORKERS", ...scarce], `${asked} workers share these limits, and each needs one of each`);
  return asked;
}

/**
 * The configuration of one of the workers, which are numbered from 1: its share of what is limited for the
 * whole service. The shares add up to the limit. A peer's connections come to the workers in turn, and its
 * share is rounded up: it must not be refused before it has as many as it may.
 */
export function shareOf(config: Config, number: number): Config {
  const { workers, pool, connections, calls } = config;
  const share = (whole: number): number => Math.floor((whole + workers - number) / workers);
  return {
    ...config,
    pool: {
      ...pool,
      connsMax: share(pool.connsMax),
      connsMin: share(pool.connsMin),
      queueMax: share(pool.queueMax),
    },
    connections: { max: share(connections.max), peerMax: Math.ceil(connections.peerMax / workers) },
    calls: { ...calls, inFlightMax: share(calls.inFlightMax), streamsMax: share(calls.streamsMax) },
  };
}
