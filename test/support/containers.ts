import type { StartedTestContainer } from "testcontainers";
import type { Connection } from "../../src/config.ts";
import { startBalancer } from "./cockroach/balancer.ts";

/** The newest release that the SQL is written for. */
const newest = "cockroachdb/cockroach:latest-v26.2";

/** The image of CockroachDB that is tested: COCKROACHDB_IMAGE, or the newest release. */
export function imageOf(env: NodeJS.ProcessEnv): string {
  return env["COCKROACHDB_IMAGE"] ?? newest;
}

/** A CockroachDB node in a container. */
export async function startContainer(
  image: string,
): Promise<AsyncDisposable & { readonly connection: Connection }> {
  const { CockroachDbContainer } = await import("@testcontainers/cockroachdb");
  const container = await new CockroachDbContainer(image).start();
  return {
    connection: {
      host: container.getHost(),
      port: container.getPort(),
      user: container.getUsername(),
      database: container.getDatabase(),
      ssl: false,
    },
    async [Symbol.asyncDispose]() {
      await container.stop();
    },
  };
}

/** Nodes of a cluster, numbered from 1, and what can become of one. */
export type Nodes = AsyncDisposable & {
  /** A balancer before the nodes that take connections. */
  readonly connection: Connection;
  drain(node: number): unknown;
  kill(node: number): unknown;
  hang(node: number): unknown;
  /** Brings a node back that drained, died or hung. */
  revive(node: number): unknown;
  /** The sessions of calls on a node. */
  sessionsOn(node: number): Promise<number>;
};

const sqlPort = 26_257;

/** A cluster of three CockroachDB nodes in containers. */
export async function startContainers(image: string): Promise<Nodes> {
  const { GenericContainer, getContainerRuntimeClient, Network, Wait } = await import("testcontainers");
  await using starting = new AsyncDisposableStack();
  const network = await new Network().start();
  starting.defer(async () => void (await network.stop()));
  const names = ["node1", "node2", "node3"];
  const start = (name: string): Promise<StartedTestContainer> =>
    new GenericContainer(image)
      .withNetwork(network)
      .withNetworkAliases(name)
      .withExposedPorts(sqlPort)
      .withCommand(["start", "--insecure", `--advertise-addr=${name}`, `--join=${names.join(",")}`])
      .withWaitStrategy(Wait.forListeningPorts())
      .start();
  const containers = await Promise.all(names.map(start));
  for (const container of containers) starting.defer(async () => void (await container.stop()));
  const run = async (node: number, ...command: string[]): Promise<string> => {
    const { exitCode, output } = await find(node).exec(["cockroach", ...command, "--insecure"]);
    if (exitCode !== 0) throw new Error(`cockroach ${command.join(" ")}: ${output}`);
    return output;
  };
  const find = (node: number): StartedTestContainer => {
    const found = containers[node - 1];
    if (found === undefined) throw new Error(`the cluster has no node ${node}`);
    return found;
  };
  await run(1, "init");
  const { dockerode } = (await getContainerRuntimeClient()).container;
  const engineOf = (node: number) => dockerode.getContainer(find(node).getId());
  // Of what a balancer would find by asking /health?ready=1; it has not noticed that a node hangs.
  const [away, hung] = [new Set<number>(), new Set<number>()];
  const balancer = starting.use(
    await startBalancer(() =>
      containers.flatMap((container, n) => (away.has(n + 1) ? [] : [container.getMappedPort(sqlPort)])),
    ),
  );
  const running = starting.move();
  return {
    connection: { host: "127.0.0.1", port: balancer.port, user: "root", database: "defaultdb", ssl: false },
    async drain(node) {
      away.add(node);
      await run(node, "node", "drain", "--self");
    },
    async kill(node) {
      away.add(node);
      await engineOf(node).kill();
    },
    async hang(node) {
      hung.add(node);
      await engineOf(node).pause();
    },
    async revive(node) {
      if (hung.delete(node)) await engineOf(node).unpause();
      else await find(node).restart();
      away.delete(node);
    },
    async sessionsOn(node) {
      const text = `select count(*) from [show cluster sessions]
        where application_name = 'commerce-core' and node_id = ${node}`;
      const lines = (await run(node, "sql", "--format=csv", "-e", text)).trim().split("\n");
      return Number(lines.at(-1));
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
