import { randomUUID } from "node:crypto";
import { expect, inject, onTestFinished, test, vi } from "vitest";
import { startCluster } from "../support/cockroach/cluster.ts";
import { imageOf, startContainers, type Nodes } from "../support/containers.ts";
import { createTestDatabase } from "../support/databases.ts";
import { toFailure } from "../support/errors.ts";
import { readMetric } from "../support/metrics.ts";
import { line, openShop, type Shop } from "../support/shop.ts";

const { engine, operator: isEmulated } = inject("engine");

/** Three nodes of the emulation, or of CockroachDB where that is tested. */
async function startNodes(opening: AsyncDisposableStack): Promise<Nodes> {
  if (!isEmulated) return opening.use(await startContainers(imageOf(process.env)));
  const { operator } = opening.use(await createTestDatabase());
  const cluster = opening.use(await startCluster({ upstream: operator }));
  const isOfCalls = ({ application }: { readonly application: string }) => application === "commerce-core";
  const sessionsOn = async (node: number) => cluster.sessions().get(node)?.filter(isOfCalls).length ?? 0;
  return { ...cluster, sessionsOn };
}

/** Opens a shop on a cluster of its own, whose nodes the test may do away with. */
async function openShopOnNodes(): Promise<{ readonly shop: Shop; readonly cluster: Nodes }> {
  const opening = new AsyncDisposableStack();
  onTestFinished(() => opening.disposeAsync());
  const cluster = await startNodes(opening);
  const { connection } = cluster;
  const database = { kind: "remote", connection, engine: "cockroachdb" } as const;
  // Connections are made all the time, so that a node that is back is found soon.
  const pool = { connsMax: 9, lifetimeMs: 3_000 };
  const shop = opening.use(await openShop({ database, pool, calls: { deadlineMsDefault: 10_000 } }));
  return { shop, cluster };
}

/** Repeats a call as its contract says: where it is not known what has become of it, with its request_id. */
async function complete<T>(call: (requestId: string) => Promise<T>): Promise<T> {
  const requestId = randomUUID();
  for (;;) {
    try {
      return await call(requestId);
    } catch (error) {
      if (toFailure(error).reason !== "COMMIT_OUTCOME_UNKNOWN") throw error;
    }
  }
}

/** Has eight callers place and read orders until they are stopped. */
function callOn({ users, orders, inventory }: Shop) {
  const failures: unknown[] = [];
  const state = { isOver: false, answered: 0 };
  const callers = Array.from({ length: 8 }, async (_, n) => {
    const email = `caller${n}@example.com`;
    const person = { email, name: "Ada", password: "correct horse" };
    const { user } = await complete((requestId) => users.createUser({ ...person, requestId }));
    for (; !state.isOver; state.answered++) {
      const lamp = { name: "Lamp", onHand: 9n };
      const { product } = await complete((requestId) => inventory.createProduct({ ...lamp, requestId }));
      const draft = { userId: user!.id, items: [line(product!)] };
      const { order } = await complete((requestId) => orders.createOrder({ ...draft, requestId }));
      await Promise.all([orders.getOrder({ id: order!.id }), users.getUser({ id: user!.id })]);
    }
  });
  const all = Promise.all(callers.map((caller) => caller.catch((error: unknown) => failures.push(error))));
  return {
    /** Waits until the callers have gone on for a while. */
    async goOn(): Promise<void> {
      const until = state.answered + 50;
      await vi.waitUntil(() => state.answered >= until || failures.length > 0, { timeout: 50_000 });
    },
    /** What calls have failed with. */
    async stop(): Promise<readonly unknown[]> {
      state.isOver = true;
      await all;
      return failures;
    },
  };
}

const ways = {
  drains: (cluster: Nodes) => cluster.drain(2),
  dies: (cluster: Nodes) => cluster.kill(2),
  hangs: (cluster: Nodes) => cluster.hang(2),
};

test.runIf(engine === "cockroachdb").each(Object.entries(ways))(
  "no call fails when one of three nodes %s, and it is used again when it is back",
  // Nodes in containers start for a minute.
  { timeout: isEmulated ? 60_000 : 300_000 },
  async (_, fail) => {
    const { shop, cluster } = await openShopOnNodes();
    const calls = callOn(shop);
    await calls.goOn();
    // Of a node without connections the service would not hear that it stops.
    await vi.waitUntil(async () => (await cluster.sessionsOn(2)) > 0, { timeout: 20_000 });

    await fail(cluster);
    await expect
      .poll(() => readMetric(shop, "db_client_node_healthy", { node: "2" }), { timeout: 20_000 })
      .not.toBe(1);
    await calls.goOn();
    await cluster.revive(2);
    await expect
      .poll(() => readMetric(shop, "db_client_node_healthy", { node: "2" }), { timeout: 40_000 })
      .toBe(1);
    await calls.goOn();

    expect(await calls.stop()).toEqual([]);
    expect(await cluster.sessionsOn(2)).toBeGreaterThan(0);
  },
);
