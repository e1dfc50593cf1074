import { parseConfig } from "../../src/config.ts";

/** A database server that the service tests run on, and the setup that provides it. */
export type EngineProject = {
  readonly name: string;
  readonly globalSetup: string;
  /** Files that do not run on it. */
  readonly exclude?: string[];
};

/**
 * What is about ports, clients, commands, queues and the processor, before any database: it is alike on each
 * engine.
 */
const beforeDatabase = `bad-input bad-json client client-packed clients fuzz-bytes fuzz-calls import-cli
  import-files import-listeners listener-refusals listeners passwords proxy shutdown shutdown-http1
  told-while-waiting`
  .split(/\s+/)
  .map((name) => `test/service/${name}.test.ts`);

/**
 * The engines that this machine has: always the embedded PostgreSQL, and an emulation of CockroachDB before
 * it, CockroachDB where a container engine answers, and the server that TEST_DATABASE_URL names. Says what is
 * not tested.
 */
export async function findEngines(env: NodeJS.ProcessEnv): Promise<EngineProject[]> {
  const engines: EngineProject[] = [
    { name: "postgresql", globalSetup: "test/support/setup-embedded.ts" },
    {
      name: "cockroachdb (emulated)",
      globalSetup: "test/support/setup-emulated.ts",
      exclude: beforeDatabase,
    },
  ];
  if (env["TEST_DATABASE_URL"]) {
    // Fails here, with one clear message, rather than in each file.
    parseConfig({ DATABASE_URL: env["TEST_DATABASE_URL"] });
    engines.push({ name: "given", globalSetup: "test/support/setup-given.ts" });
  }
  if (await hasContainers())
    engines.push({ name: "cockroachdb", globalSetup: "test/support/setup-cockroachdb.ts" });
  else if (!env["TEST_DATABASE_URL"])
    console.warn(
      "NOT TESTED ON COCKROACHDB: no container engine answers and TEST_DATABASE_URL is not set. " +
        "The service tests run on PostgreSQL, and on an emulation of CockroachDB before it.",
    );
  return engines;
}

/** The docker program may be there without an engine, so it is the engine that is asked. */
async function hasContainers(): Promise<boolean> {
  const { getContainerRuntimeClient } = await import("testcontainers");
  return getContainerRuntimeClient().then(
    () => true,
    () => false,
  );
}
