import type { TestProject } from "vitest/node";
import { prepareEngine } from "./databases.ts";

/** The release that the SQL is written for and no older than what is still maintained. */
const image = "cockroachdb/cockroach:v26.2.0";

/** A CockroachDB node in a container, in memory. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { CockroachDbContainer } = await import("@testcontainers/cockroachdb");
  const container = await new CockroachDbContainer(image).start();
  const connection = {
    host: container.getHost(),
    port: container.getPort(),
    user: container.getUsername(),
    database: container.getDatabase(),
    ssl: false,
  } as const;
  project.provide("engine", await prepareEngine(connection, "cockroachdb"));
  return async () => {
    await container.stop();
  };
}
