import pg from "pg";
import { afterAll, expect, test } from "vitest";
import { toClientConfig } from "../src/db/engine/connection.ts";
import { ask, connect, nodeOf, startScratchClusters } from "./support/cockroach/scratch.ts";

const clusters = await startScratchClusters();
afterAll(() => clusters[Symbol.asyncDispose]());

test("each node names itself in its sessions and their keys", async () => {
  const { nodes } = await clusters.start();

  for (const [n, node] of nodes.entries()) {
    const client = await connect(node);
    const { rows } = await client.query<{ session_id: string }>("show session_id");
    // node-postgres does not declare it.
    const { processID } = client as unknown as { readonly processID: number };
    expect([Number.parseInt(rows[0]!.session_id.slice(-8), 16), processID >>> 20]).toEqual([n + 1, n + 1]);
  }
});

test("all nodes list the sessions that there are, and any of them cancels one", async () => {
  const started = await clusters.start();
  const [one, two] = [await connect(nodeOf(started, 1)), await connect(nodeOf(started, 2))];
  const ended = new Promise((resolve) => one.once("end", resolve));
  const { rows } = await one.query<{ session_id: string }>("show session_id");
  const list =
    "select node_id::int4, session_id, application_name from [show cluster sessions] order by node_id";

  const before = await ask(two, list);
  await two.query(`cancel session '${rows[0]!.session_id}'`);
  await ended;
  const after = await ask(two, list);

  const [own, other] = (before as { rows: unknown[] }).rows;
  expect(own).toEqual([1, rows[0]!.session_id, "test"]);
  expect(after).toEqual({ rows: [other] });
});

test("a cancellation reaches a statement through another node", async () => {
  const started = await clusters.start();
  const client = await connect(nodeOf(started, 1));
  const sleeping = ask(client, "select pg_sleep(60)");
  const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
  await expect.poll(() => started.sessions().get(1)?.[0]?.query).toBe("select pg_sleep(60)");
  const other = new pg.Client(toClientConfig(nodeOf(started, 2))) as pg.Client & {
    connection: {
      connect(port: number, host: string): void;
      cancel(id: number, key: number): void;
      on(name: string, f: () => void): void;
    };
  };

  other.connection.on("connect", () => other.connection.cancel(processID, secretKey));
  other.connection.connect(nodeOf(started, 2).port, "127.0.0.1");

  expect(await sleeping).toEqual({ code: "57014", severity: "ERROR" });
});
