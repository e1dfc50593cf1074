import { startEmbedded } from "../../src/db/embedded/embedded.ts";
import { migrate } from "../../src/db/migrate/migrate.ts";
import { refuseScans, startCluster as startEmulated } from "../support/cockroach/cluster.ts";
import { imageOf, startContainer } from "../support/containers.ts";
import { dropDatabase, execute, prepareEngine, type TestDatabase } from "../support/databases.ts";
import { makeDirectory } from "./leftovers.ts";
import type { RigDatabase } from "./rig.ts";

/** The engines that rounds are played on. */
export const engineNames = ["postgresql", "cockroachdb-emulated", "cockroachdb"] as const;

export type EngineName = (typeof engineNames)[number];

/** Makes databases for rounds. */
export type Cluster = AsyncDisposable & {
  clone(): Promise<TestDatabase & Pick<RigDatabase, "emulated">>;
};

/** Nothing that a round writes has to survive a crash: the network breaks, not the server. */
const settings = ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200"];

/**
 * A PostgreSQL of our own in a temporary directory, an emulation of CockroachDB before it, or a CockroachDB
 * in a container.
 */
export async function startCluster(engineName: EngineName = "postgresql"): Promise<Cluster> {
  if (engineName === "cockroachdb") return startReal();
  await using starting = new AsyncDisposableStack();
  const directory = starting.use(await makeDirectory("commerce-faults-"));
  const embedded = starting.use(await startEmbedded(directory.path, { settings }));
  const operator = embedded.connection;
  const emulated =
    engineName === "postgresql"
      ? undefined
      : starting.use(await startEmulated({ upstream: operator, settingsFor: refuseScans }));
  const engine = emulated ? "cockroachdb" : "postgresql";
  const { connection } = emulated ?? embedded;
  const { template } = await prepareEngine(connection, engine, operator);
  const running = starting.move();
  let clones = 0;
  return {
    async clone() {
      const database = `round_${++clones}`;
      await execute(operator, `create database ${database} template ${template}`);
      return {
        connection: { ...connection, database },
        operator: { ...operator, database },
        engine,
        emulated,
        [Symbol.asyncDispose]: () => dropDatabase(operator, database),
      };
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

async function startReal(): Promise<Cluster> {
  const { connection, ...container } = await startContainer(imageOf(process.env));
  let clones = 0;
  return {
    async clone() {
      const database = `round_${++clones}`;
      await execute(connection, `create database ${database}`);
      const own = { ...connection, database };
      await migrate(own, { engine: "cockroachdb" });
      return {
        connection: own,
        operator: own,
        engine: "cockroachdb",
        emulated: undefined,
        async [Symbol.asyncDispose]() {
          await execute(connection, `drop database ${database} cascade`);
        },
      };
    },
    ...container,
  };
}
