import { type DescMethod, getOption } from "@bufbuild/protobuf";
import { type Duration, durationMs } from "@bufbuild/protobuf/wkt";
import { bounds } from "../bounds.ts";
import type { Config } from "../config.ts";
import { policy } from "../gen/commerce/options/v1/options_pb.ts";
import { Health } from "../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionV1Alpha } from "../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { findRowsField } from "./elements.ts";

/** What bounds calls. */
export type CallLimits = Omit<Config["calls"], "coalesce">;

/** How long calls of a method may last, in milliseconds; Infinity where nothing bounds them. */
export type Limits = {
  /** Without a deadline of the caller's own. */
  readonly deadlineMsDefault: number;
  /** With one. */
  readonly deadlineMsMax: number;
  /** While neither side moves. */
  readonly idleMsMax: number;
};

type Stated = { readonly defaultMs?: number; readonly maxMs?: number; readonly idleMs?: number };

/** What the contracts of others cannot say. */
const OTHERS: ReadonlyMap<DescMethod, Stated> = new Map<DescMethod, Stated>([
  // It lasts as long as its connection, and may have nothing to say for days.
  [Health.method.watch, { idleMs: Infinity }],
  // Tools keep it open while they are used; one that was left open is asked for again.
  [ServerReflection.method.serverReflectionInfo, { idleMs: 60_000 }],
  [ServerReflectionV1Alpha.method.serverReflectionInfo, { idleMs: 60_000 }],
]);

/**
 * The limits of a method: those of the configuration where it has any for streams, else those of the
 * contract, else those of the configuration for all calls.
 */
export function limitsOf(method: DescMethod, calls: CallLimits): Limits {
  const stated = OTHERS.get(method) ?? readPolicy(method);
  const own = method.methodKind === "unary" ? {} : calls.streams;
  if (stated.idleMs !== undefined) {
    // What may idle for ever is not ours to limit.
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
 * The largest request of a method, in bytes after decompression: what its policy says, but no more than the
 * configuration allows unless its requests are imports, which are read row by row.
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
