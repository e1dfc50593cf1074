import type { PeerName } from "./peers.ts";
import type { Contestant } from "./rows.ts";
import type { Measured } from "./slice.ts";

/** One contestant in one row: medians of the figures of its slices, and the sums of their calls. */
export type Result = {
  readonly row: string;
  readonly contestant: "ours" | "tutorial" | "connect" | "engine" | "floor" | PeerName;
  readonly inFlight: number;
  /** Acknowledged calls, or rows where the row is about many rows a call. */
  readonly perSecond: number;
  readonly acknowledged: number;
  readonly refused: number;
  readonly failed: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of the process that answers; of the one that calls where the database is called directly. */
  readonly cpuMsPerCall: number;
};

/** What slices say together. `refusals` says whether being refused is a sound answer. */
export function toResult(
  row: { readonly name: string; readonly inFlight: number; readonly bulk?: { readonly rows: number } },
  contestant: Contestant,
  slices: readonly Measured[],
  { refusals = false }: { readonly refusals?: boolean } = {},
): Result {
  const refused = sum(slices.map((slice) => slice.refused));
  const failed = sum(slices.flatMap((slice) => Object.values(slice.failed)));
  const rows = row.bulk?.rows ?? 1;
  const cpuOf = (slice: Measured): number => (contestant === "engine" ? slice.loadCpuMs : slice.cpuMs);
  return {
    ...nameOf(row.name, contestant),
    inFlight: row.inFlight,
    perSecond: round(median(slices.map((slice) => (rows * slice.acknowledged) / slice.seconds)), 1),
    acknowledged: sum(slices.map((slice) => slice.acknowledged)),
    refused: refusals ? refused : 0,
    failed: failed + (refusals ? 0 : refused),
    p50Ms: round(median(slices.map((slice) => slice.p50Ms)), 2),
    p99Ms: round(median(slices.map((slice) => slice.p99Ms)), 2),
    cpuMsPerCall: round(median(slices.map((slice) => cpuOf(slice) / callsOf(slice))), 3),
  };
}

/** The service in another shape has a row of its own. */
function nameOf(row: string, contestant: Contestant): Pick<Result, "row" | "contestant"> {
  if (contestant === "memory") return { row: `${row}-from-memory`, contestant: "ours" };
  if (contestant === "grpc-js" || contestant === "http2")
    return { row: `${row}-by-${contestant}`, contestant: "floor" };
  if (contestant === "without batchers") return { row: `${row}-without-batchers`, contestant: "ours" };
  if (contestant === "other checkout") return { row: `${row}-elsewhere`, contestant: "ours" };
  return { row, contestant };
}

function callsOf({ acknowledged, refused, failed }: Measured): number {
  return Math.max(1, acknowledged + refused + sum(Object.values(failed)));
}

/** The middle one, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle)]!) / 2;
}

/** To so many decimals. */
export function round(value: number, decimals: number): number {
  return Number(value.toFixed(decimals));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
