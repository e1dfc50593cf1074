// The process that makes the load: takes slices from its parent and answers what it measured.
import process from "node:process";
import { Code } from "@connectrpc/connect";
import pg from "pg";
import type { Calls } from "./calls.ts";
import { ok, openClient } from "./client.ts";
import { readCpuMs } from "./cpu.ts";
import { createDatabase, toClientConfig } from "./service/database.ts";
import type { Measured, Slice } from "./slice.ts";
import { createCalls, createEngineCalls } from "./work.ts";

/** Calls of 512 callers fit on them: a connection has 256 streams. */
const connections = 4;
/** As many as the service opens. */
const poolMax = 25;

/** What a caller is answered who wants more than there is. */
const refusal: number = Code.FailedPrecondition;

type Sample = { readonly code: number; readonly ms: number };

process.on("message", (slice: Slice) => {
  runSlice(slice).then(
    (measured) => process.send!({ measured }),
    (error: Error) => process.send!({ error: error.stack }),
  );
});

async function runSlice(slice: Slice): Promise<Measured> {
  const { work, target } = slice;
  if (target.kind === "grpc") {
    using client = await openClient(target.addresses, connections);
    return await measure(slice, createCalls(work, client));
  }
  const { connection } = target;
  const options = "-c default_transaction_isolation=serializable";
  const pool = new pg.Pool({ ...toClientConfig(connection), options, max: poolMax });
  const limits = { queueMax: 1_024, waitMsMax: 10_000, lifetimeMs: 300_000, idleMsMax: 300_000 };
  await using db = createDatabase(connection, "postgresql", { ...limits, connsMax: poolMax, connsMin: 0 });
  try {
    return await measure(slice, createEngineCalls(work, pool, db));
  } finally {
    await pool.end();
  }
}

/**
 * Counts the calls that are answered between the end of the warm-up and the end of the slice. Those that are
 * still open then are waited for and not counted, so that nothing of a slice reaches into the next one.
 */
async function measure(slice: Slice, calls: Calls): Promise<Measured> {
  const { inFlight, warmMs, measureMs, callsMax = Infinity, pid } = slice;
  const samples: Sample[] = [];
  let [issued, measuring, over] = [0, warmMs === 0, false];
  const open = performance.now();
  let [from, until] = [open, open];
  let [cpuMs, loadCpuMs] = [-readCpuMs(pid), -readCpuMs(process.pid)];
  const warm = setTimeout(() => {
    [measuring, from] = [true, performance.now()];
    [cpuMs, loadCpuMs] = [-readCpuMs(pid), -readCpuMs(process.pid)];
  }, warmMs);
  const stop = (): void => {
    if (over) return;
    [over, until] = [true, performance.now()];
    cpuMs += readCpuMs(pid);
    loadCpuMs += readCpuMs(process.pid);
  };
  const end = setTimeout(stop, warmMs + measureMs);
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      for (const call of calls()) {
        if (over || issued >= callsMax) break;
        issued += 1;
        const start = performance.now();
        const code = await call();
        if (measuring && !over) samples.push({ code, ms: performance.now() - start });
      }
    }),
  );
  // Here before its time only if there was nothing left to call.
  stop();
  clearTimeout(warm);
  clearTimeout(end);
  return { ...summarize(samples), seconds: (until - from) / 1000, cpuMs, loadCpuMs };
}

function summarize(samples: readonly Sample[]) {
  const sorted = Float64Array.from(samples, ({ ms }) => ms).toSorted();
  const at = (share: number): number => sorted[Math.ceil(sorted.length * share) - 1] ?? 0;
  const failed: Record<string, number> = {};
  let [acknowledged, refused] = [0, 0];
  for (const { code } of samples) {
    if (code === ok) acknowledged += 1;
    else if (code === refusal) refused += 1;
    else failed[Code[code] ?? code] = (failed[Code[code] ?? code] ?? 0) + 1;
  }
  return { acknowledged, refused, failed, p50Ms: at(0.5), p99Ms: at(0.99) };
}
