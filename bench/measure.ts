import type { Plan } from "./plan.ts";
import { type Result, toResult } from "./results.ts";
import type { Contestant, Row } from "./rows.ts";
import type { Measured, Slice, Target } from "./slice.ts";
import type { ServerKind, Stage } from "./stage.ts";
import type { PeerName } from "./peers.ts";

/**
 * Measures a row: its contestants take turns, each time beginning with another one, so that none has the
 * fresh tables or the quiet moments for itself.
 */
export async function runRow(
  stage: Stage,
  row: Row,
  plan: Plan,
  contestants: readonly Contestant[],
): Promise<Result[]> {
  const slices = new Map<Contestant, Measured[]>(contestants.map((contestant) => [contestant, []]));
  const first = { warmMs: plan.firstWarmMs, measureMs: 0 };
  if (plan.firstWarmMs > 0)
    for (const contestant of contestants) await runSlice(stage, row, contestant, plan, first);
  for (let n = 0; n < plan.alternations; n++) {
    for (let turn = 0; turn < contestants.length; turn++) {
      const contestant = contestants[(n + turn) % contestants.length]!;
      slices.get(contestant)!.push(await runSlice(stage, row, contestant, plan, plan));
    }
  }
  return contestants.map((contestant) => toResult(row, contestant, slices.get(contestant)!));
}

/** Large calls are counted, not timed; none takes as long as this. */
const bulkMsMax = 60_000;

async function runSlice(
  stage: Stage,
  row: Row,
  contestant: Contestant,
  { scale }: Plan,
  { warmMs, measureMs }: Pick<Slice, "warmMs" | "measureMs">,
): Promise<Measured> {
  const server = await stage.server(kindOf(contestant), row.delayMs);
  const toTarget = (): Target => {
    if (contestant === "engine") return { kind: "engine", connection: stage.connection };
    if (contestant === "connect") return { kind: "grpc", addresses: [server.http] };
    const others = contestant === "ours" ? stage.replicas.map(({ grpc }) => grpc) : [];
    return { kind: "grpc", addresses: [server.grpc, ...others] };
  };
  const work = await row.work(stage, contestant, scale);
  const slice = { work, target: toTarget(), inFlight: row.inFlight, pid: server.pid };
  return row.bulk
    ? stage.run({ ...slice, warmMs: 0, measureMs: bulkMsMax, callsMax: row.bulk.calls })
    : stage.run({ ...slice, warmMs, measureMs: measureMs * (row.stretch ?? 1) });
}

/** The server that a contestant is called at. */
export function kindOf(contestant: Contestant): ServerKind {
  switch (contestant) {
    case "tutorial":
    case "memory":
    case "grpc-js":
    case "http2":
      return contestant;
    case "without batchers":
      return "service without batchers";
    case "other checkout":
      return "service elsewhere";
    case "ours":
    case "connect":
    case "engine":
      return "service";
    default:
      return contestant satisfies PeerName;
  }
}
