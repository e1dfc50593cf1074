import { startEmbedded } from "../../src/db/embedded/embedded.ts";
import { refuseScans, startCluster as startEmulated } from "../support/cockroach/cluster.ts";
import { dropDatabase, execute, prepareEngine, type TestDatabase } from "../support/databases.ts";
import { makeDirectory } from "./leftovers.ts";
import type { RigDatabase } from "./rig.ts";

/** The engines that rounds are played on. */
export const engineNames = ["postgresql", "cockroachdb-emulated"] as const;

export type EngineName = (typeof engineNames)[number];

/** A PostgreSQL of our own that makes databases for rounds, or an emulation of CockroachDB before it. */
export type Cluster = AsyncDisposable & {
  clone(): Promise<TestDatabase & Pick<RigDatabase, "emulated">>;
};

/** Nothing that a round writes has to survive a crash: the network breaks, not the server. */
const settings = ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200"];

/** Starts it in a temporary directory. */
export async function startCluster(engineName: EngineName = "postgresql"): Promise<Cluster> {
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
