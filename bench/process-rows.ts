import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { readResidentMiB } from "./cpu.ts";
import type { Plan } from "./plan.ts";
import { startService } from "./processes.ts";
import { median, type Result, round } from "./results.ts";

/** After the start the heap still shrinks for a moment. */
const idleMs = 3_000;

const nothing = { acknowledged: 0, refused: 0, failed: 0, perSecond: 0, p50Ms: 0, p99Ms: 0, cpuMsPerCall: 0 };

/** What a start takes as `npm start` makes it: PostgreSQL in a directory that has been used before. */
export async function runStarts({ starts }: Plan): Promise<Result[]> {
  await using directory = await mkdtempDisposable(path.join(tmpdir(), "commerce-bench-start-"));
  const env = { DATA_DIR: path.join(directory.path, "data") };
  const start = async (): Promise<number> => {
    await using server = await startService(env);
    return server.readyMs;
  };
  await start();
  const took: number[] = [];
  for (let n = 0; n < starts; n++) took.push(await start());
  const p50Ms = round(median(took), 0);
  const perSecond = round(1_000 / p50Ms, 2);
  const figures = { perSecond, acknowledged: took.length, p50Ms, p99Ms: round(Math.max(...took), 0) };
  return [{ ...nothing, row: "start", contestant: "ours", inFlight: 1, ...figures }];
}

/** The memory of the service's process after a start, when nobody has called. */
export async function runIdle(): Promise<(Result & { readonly residentMiB: number })[]> {
  await using directory = await mkdtempDisposable(path.join(tmpdir(), "commerce-bench-idle-"));
  await using server = await startService({ DATA_DIR: path.join(directory.path, "data") });
  await sleep(idleMs);
  const residentMiB = round(readResidentMiB(server.pid), 1);
  return [{ ...nothing, row: "idle-memory", contestant: "ours", inFlight: 0, residentMiB }];
}
