import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Worker } from "node:worker_threads";
import type { TestProject } from "vitest/node";
import type { Connection } from "../../src/config.ts";
import { startEmbedded } from "../../src/db/embedded/embedded.ts";
import { prepareEngine } from "./databases.ts";
import { settings } from "./setup-embedded.ts";

/**
 * CockroachDB (emulated): three nodes and a balancer before one PostgreSQL for all tests of the run. Sessions
 * of the service are refused what would read a table from end to end.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const directory = await mkdtemp(path.join(tmpdir(), "commerce-core-test-"));
  const embedded = await startEmbedded(directory, { settings });
  const thread = new Worker(path.join(import.meta.dirname, "cockroach/thread.ts"), {
    workerData: embedded.connection,
  });
  const [connection] = (await once(thread, "message")) as [Connection];
  project.provide("engine", await prepareEngine(connection, "cockroachdb", embedded.connection));
  return async () => {
    const ended = once(thread, "exit");
    thread.postMessage("end");
    await ended;
    await embedded[Symbol.asyncDispose]();
    await rm(directory, { recursive: true });
  };
}
