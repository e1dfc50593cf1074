import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TestProject } from "vitest/node";
import { startEmbedded } from "../../src/db/embedded/embedded.ts";
import { refuseScans, startCluster } from "./cockroach/cluster.ts";
import { prepareEngine } from "./databases.ts";
import { settings } from "./setup-embedded.ts";

/**
 * CockroachDB (emulated): three nodes and a balancer before one PostgreSQL for all tests of the run. Sessions
 * of the service are refused what would read a table from end to end.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const directory = await mkdtemp(path.join(tmpdir(), "commerce-core-test-"));
  const embedded = await startEmbedded(directory, { settings });
  const cluster = await startCluster({ upstream: embedded.connection, settingsFor: refuseScans });
  project.provide("engine", await prepareEngine(cluster.connection, "cockroachdb", embedded.connection));
  return async () => {
    await cluster[Symbol.asyncDispose]();
    await embedded[Symbol.asyncDispose]();
    await rm(directory, { recursive: true });
  };
}
