import { expect } from "vitest";
import { startMain } from "./main.ts";
import type { Program } from "./processes.ts";

/** A service in processes of its own, that is ready. */
export type Service = Program & {
  readonly grpcUrl: string;
  readonly httpUrl: string;
  readonly adminUrl: string;
  /** What it has printed when it was ready. */
  readonly welcome: string;
};

/** Starts the service as startMain does, and waits until it is ready. */
export async function startService(env: NodeJS.ProcessEnv, preload?: string): Promise<Service> {
  const program = startMain(env, preload);
  const welcome = await program.printed("Try:");
  const [grpc, http, admin] = welcome.match(/127\.0\.0\.1:\d+(?=[\n ])/g)!.slice(-3);
  return Object.assign(program, {
    welcome,
    grpcUrl: `http://${grpc}`,
    httpUrl: `http://${http}`,
    adminUrl: `http://${admin}`,
  });
}

/** The pids of a service's workers by their numbers, once so many have begun to serve, as its log tells. */
export async function workersOf(service: Program, begun: number): Promise<Map<number, number>> {
  const pids = new Map<number, number>();
  await expect
    .poll(
      async () => {
        const told = (await service.logged('"a worker serves"'))
          .split("\n")
          .filter((line) => line.endsWith('"a worker serves"}'))
          .map((line) => JSON.parse(line) as { worker: number; pid: number });
        for (const { worker, pid } of told) pids.set(worker, pid);
        return told.length;
      },
      // A process loads what it needs, on a machine that others use.
      { timeout: 40_000 },
    )
    .toBe(begun);
  return pids;
}
