import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type CommerceClient, createCommerceClient } from "../../client/src/grpc.ts";
import { startEmbedded } from "../../src/db/embedded/embedded.ts";
import type { Check } from "./audit.ts";
import { type Balancer, startBalancer } from "./rolling/balancer.ts";
import { openBoard } from "./rolling/board.ts";
import { openCaller } from "./rolling/caller.ts";
import { type Load, startLoad, startStream, type Wares } from "./rolling/load.ts";
import { type Replica, startReplica } from "./rolling/replica.ts";

const replicaCount = 3;
/** Callers, each with a connection of its own. */
const callerCount = 6;
const callsPerSecond = 200;
/** From NOT_SERVING to GOAWAY: the balancer asks four times meanwhile. */
const drainMs = 1_000;
/** Calls before the first restart, and between one and the next. */
const calmMs = 1_000;

/**
 * Restarts three replicas behind a balancer, one after the other, while callers make 200 calls a second, who
 * leave what is refused as not begun to gRPC's library and repeat nothing, and a stream of orders goes on.
 * Shows it, and checks that nothing has failed and that each order is there, once. The signal makes it
 * reject, after all of it has ended.
 */
export async function runRolling(output: NodeJS.WriteStream, signal: AbortSignal): Promise<Check[]> {
  await using opening = new AsyncDisposableStack();
  const directory = opening.use(await mkdtempDisposable(path.join(tmpdir(), "commerce-rolling-")));
  output.write("starting a PostgreSQL, three replicas and a balancer\n");
  const { connection } = opening.use(await startEmbedded(directory.path, { settings: ["fsync=off"] }));
  const { user, password, host, port, database } = connection;
  const databaseUrl = `postgres://${user}:${password}@${host}:${port}/${database}`;
  const surroundings = { databaseUrl, drainMs, signal };
  const replicas: Replica[] = [];
  opening.defer(async () => {
    for (const replica of replicas) await replica[Symbol.asyncDispose]();
  });
  for (let n = 0; n < replicaCount; n++) replicas.push(await startReplica(surroundings));
  const balancer = opening.use(await startBalancer(replicas.map(({ place }) => place)));
  const shop = opening.use(createCommerceClient({ baseUrl: balancer.url }));
  const wares = await prepare(shop);
  const address = balancer.url.slice("http://".length);
  const callers = Array.from({ length: callerCount }, () => opening.use(openCaller(address)));
  output.write(`${callsPerSecond} calls a second through ${balancer.url} by grpc-js, without retries\n\n`);
  const load = opening.use(startLoad(callers, callsPerSecond, wares));
  const stream = opening.use(startStream(shop, wares));
  const codes: (number | null)[] = [];
  {
    using board = openBoard({ backends: balancer.backends, load, stream }, output);
    await sleep(calmMs, undefined, { signal });
    for (const [n, replica] of replicas.entries()) {
      board.set(n, "draining");
      codes.push(await replica.stop());
      signal.throwIfAborted();
      board.set(n, "starting");
      replicas[n] = await startReplica(surroundings, replica.place);
      await untilReady(balancer, n, signal);
      board.set(n, "serving");
      await sleep(calmMs, undefined, { signal });
    }
    await load.stop();
  }
  output.write("\n");
  const streamed = await stream.stop();
  return await check(shop, { load, codes, streamed, resumed: stream.resumed(), userId: wares.userId });
}

async function prepare({ users, inventory }: CommerceClient): Promise<Wares> {
  const { user } = await users.createUser({
    email: "rolling@example.com",
    name: "Rolling",
    password: crypto.randomUUID(),
  });
  const { product } = await inventory.createProduct({ name: "Lamp", onHand: 1_000_000n });
  return { userId: user!.id, productId: product!.id };
}

async function untilReady({ backends }: Balancer, n: number, signal: AbortSignal): Promise<void> {
  while (!backends[n]!.isReady) await sleep(50, undefined, { signal });
}

type Result = {
  readonly load: Load;
  readonly codes: readonly (number | null)[];
  readonly streamed: number;
  readonly resumed: number;
  readonly userId: string;
};

async function check(
  shop: CommerceClient,
  { load, codes, streamed, resumed, userId }: Result,
): Promise<Check[]> {
  const stored = new Set<string>();
  for await (const { id } of shop.orders.list({ userId, pageSize: 200 })) stored.add(id);
  const lost = load.placed.filter((id) => !stored.has(id));
  const expected = load.placed.length + streamed;
  const wrong = stored.size === expected ? [] : [`${stored.size} orders are there, not ${expected}`];
  const uncut = resumed > 0 ? [] : ["the stream was not cut"];
  const times = resumed === 1 ? "1 time" : `${resumed} times`;
  return [
    {
      promise: `none of ${load.durations.length + load.failures.length} calls has failed`,
      violations: load.failures,
    },
    {
      promise: `all ${expected} orders are there, each once, ${streamed} from a stream resumed ${times}`,
      violations: [...lost.map((id) => `order ${id} is lost`), ...wrong, ...uncut],
    },
    {
      promise: "every replica has let its calls finish and ended with 0",
      violations: codes.flatMap((code, n) => (code === 0 ? [] : [`replica ${n + 1} ended with ${code}`])),
    },
  ];
}
