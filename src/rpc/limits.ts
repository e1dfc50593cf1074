import { type DescMethod, getOption } from "@bufbuild/protobuf";
import { type Duration, durationMs } from "@bufbuild/protobuf/wkt";
import { bounds } from "../bounds.ts";
import type { Config } from "../config.ts";
import { policy } from "../gen/commerce/options/v1/options_pb.ts";
import { Health } from "../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionV1Alpha } from "../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { findRowsField } from "./elements.ts";

/** Configured limits of calls. */
export type CallLimits = Omit<Config["calls"], "coalesce">;

/** How long calls of a method may last, in milliseconds; Infinity if not limited. */
export type Limits = {
  /** The deadline if the caller sets none. */
  readonly deadlineMsDefault: number;
  /** The longest deadline that a caller can set. */
  readonly deadlineMsMax: number;
  /** The longest time in which neither side moves. */
  readonly idleMsMax: number;
};

type Stated = { readonly defaultMs?: number; readonly maxMs?: number; readonly idleMs?: number };

/** Limits of methods whose contracts, which are not ours, cannot state them. */
const OTHERS: ReadonlyMap<DescMethod, Stated> = new Map<DescMethod, Stated>([
  // A watch lasts as long as its connection, and may be silent for days.
  [Health.method.watch, { idleMs: Infinity }],
  // Tools keep it open while they use it, and reopen one that was closed.
  [ServerReflection.method.serverReflectionInfo, { idleMs: 60_000 }],
  [ServerReflectionV1Alpha.method.serverReflectionInfo, { idleMs: 60_000 }],
]);

/**
 * Returns the limits of a method: the configuration's for streams if set, else the contract's, else the
 * configuration's for calls.
 */
export function limitsOf(method: DescMethod, calls: CallLimits): Limits {
  const stated = OTHERS.get(method) ?? readPolicy(method);
  const own = method.methodKind === "unary" ? {} : calls.streams;
  if (stated.idleMs !== undefined) {
    // Methods that may idle forever are not limited.
    const idleMsMax = stated.idleMs === Infinity ? Infinity : (own.idleMsMax ?? stated.idleMs);
    return { deadlineMsDefault: Infinity, deadlineMsMax: Infinity, idleMsMax };
  }
  const deadlineMsMax = own.deadlineMsMax ?? stated.maxMs ?? calls.deadlineMsMax;
  const deadlineMsDefault = own.deadlineMsDefault ?? stated.defaultMs ?? calls.deadlineMsDefault;
  return {
    deadlineMsDefault: Math.min(deadlineMsDefault, deadlineMsMax),
    deadlineMsMax,
    idleMsMax: Infinity,
  };
}

/**
 * Returns the largest request of a method, in bytes after decompression: its policy's limit, and at most the
 * configuration's unless it is an import, which is read row by row.
 */
export function requestBytesMaxOf(method: DescMethod, calls: CallLimits): number {
  const stated = getOption(method, policy).maxRequestBytes || bounds.defaultRequestBytes.max;
  return findRowsField(method.input) ? stated : Math.min(stated, calls.messageBytesMax);
}

function readPolicy(method: DescMethod): Stated {
  const { defaultDeadline, maxDeadline, maxIdle } = getOption(method, policy);
  const read = (name: keyof Stated, value: Duration | undefined): Stated =>
    value === undefined ? {} : { [name]: durationMs(value) };
  return { ...read("defaultMs", defaultDeadline), ...read("maxMs", maxDeadline), ...read("idleMs", maxIdle) };
}
