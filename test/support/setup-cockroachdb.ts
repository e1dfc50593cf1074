import type { TestProject } from "vitest/node";
import { imageOf, startContainer } from "./containers.ts";
import { prepareEngine } from "./databases.ts";

/** A CockroachDB node in a container, in memory. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const container = await startContainer(imageOf(process.env));
  project.provide("engine", await prepareEngine(container.connection, "cockroachdb"));
  return async () => {
    await container[Symbol.asyncDispose]();
  };
}
