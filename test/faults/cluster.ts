import { startEmbedded } from "../../src/db/embedded/embedded.ts";
import { dropDatabase, execute, prepareEngine, type TestDatabase } from "../support/databases.ts";
import { makeDirectory } from "./leftovers.ts";

/** A PostgreSQL of our own that makes databases for rounds. */
export type Cluster = AsyncDisposable & { clone(): Promise<TestDatabase> };

/** Nothing that a round writes has to survive a crash: the network breaks, not the server. */
const settings = ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200"];

/** Starts it in a temporary directory. */
export async function startCluster(): Promise<Cluster> {
  await using starting = new AsyncDisposableStack();
  const directory = starting.use(await makeDirectory("commerce-faults-"));
  const { connection } = starting.use(await startEmbedded(directory.path, { settings }));
  const { template } = await prepareEngine(connection, "postgresql");
  const running = starting.move();
  let clones = 0;
  return {
    async clone() {
      const database = `round_${++clones}`;
      await execute(connection, `create database ${database} template ${template}`);
      return {
        connection: { ...connection, database },
        engine: "postgresql",
        [Symbol.asyncDispose]: () => dropDatabase(connection, database),
      };
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
