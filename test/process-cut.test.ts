import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import pg from "pg";
import { expect, test } from "vitest";
import { connectRunning } from "../src/db/embedded/embedded.ts";
import { toClientConfig } from "../src/db/engine/connection.ts";
import { startMain } from "./support/main.ts";

test("a stop that had to cut a call off ends with 1 and says so", async () => {
  await using directory = await mkdtempDisposable(path.join(tmpdir(), "commerce-cut-"));
  const dataDir = path.join(directory.path, "data");
  await using service = startMain({ DATA_DIR: dataDir, SHUTDOWN_GRACE: "100ms", LOG_LEVEL: "error" });
  const text = await service.printed("Try:");
  const holder = new pg.Client(toClientConfig((await connectRunning(dataDir))!));
  holder.on("error", () => {});
  await holder.connect();
  await holder.query("begin");
  await holder.query("lock table products in access exclusive mode");
  const port = /JSON +http:\/\/127\.0\.0\.1:(\d+)/.exec(text)![1]!;
  const url = `http://127.0.0.1:${port}/commerce.inventory.v1.InventoryService/ListProducts`;
  const call = fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{}",
  }).then(
    ({ status }) => status,
    () => "cut off",
  );
  await expect.poll(async () => (await holder.query(waiting)).rowCount).toBe(1);

  service.signal("SIGTERM");
  const { code, stderr } = await service.ended;

  expect([code, stderr]).toEqual([
    1,
    "commerce-core failed: some calls had not finished after the grace period and were cut off\n",
  ]);
  expect(await call).not.toBe(200);
});

const waiting = "select from pg_stat_activity where wait_event_type = 'Lock'";
