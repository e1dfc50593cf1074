import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TestProject } from "vitest/node";
import { startEmbedded } from "../../src/db/embedded/embedded.ts";
import { prepareEngine } from "./databases.ts";

/** Of one PostgreSQL for all tests of the run: nothing that it writes has to survive a crash. */
export const settings = [
  "fsync=off",
  "synchronous_commit=off",
  "full_page_writes=off",
  "shared_buffers=128MB",
  "max_connections=300",
];

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const directory = await mkdtemp(path.join(tmpdir(), "commerce-core-test-"));
  const embedded = await startEmbedded(directory, { settings });
  project.provide("engine", await prepareEngine(embedded.connection, "postgresql"));
  return async () => {
    await embedded[Symbol.asyncDispose]();
    await rm(directory, { recursive: true });
  };
}
