import { expect, test } from "vitest";
import { bounds } from "../src/bounds.ts";
import { startAdminListener } from "../src/rpc/admin.ts";
import { toLogFields } from "../src/telemetry/error-info.ts";

const address = { host: "127.0.0.1", port: 0 };
const readiness = () => ({ serving: true, reason: "" });

test("as many as may wait for a scrape are answered by it, and others are told that there are too many", async () => {
  const released = Promise.withResolvers<void>();
  const refused: unknown[] = [];
  const scrape = async () => {
    await released.promise;
    return { contentType: "text/plain", body: "all\n" };
  };
  await using listener = await startAdminListener({
    address,
    readiness,
    scrape,
    refused: (_, error) => refused.push(toLogFields(error)["reason"]),
  });
  const read = async () => (await fetch(`http://127.0.0.1:${listener.address.port}/metrics`)).status;

  const waiting = Array.from({ length: bounds.scrapesWaiting.max + 4 }, read);
  await expect.poll(() => refused.length).toBe(4);
  released.resolve();
  const statuses = await Promise.all(waiting);

  expect(new Set(refused)).toEqual(new Set(["TOO_MANY_SCRAPES"]));
  expect(statuses.filter((status) => status === 200)).toHaveLength(bounds.scrapesWaiting.max);
  expect(statuses.filter((status) => status === 503)).toHaveLength(4);
  expect(await read()).toBe(200);
});

test.each(["POST", "PUT", "DELETE"])("a %s finds nothing on the admin port", async (method) => {
  const scrape = async () => ({ contentType: "text/plain", body: "" });
  await using listener = await startAdminListener({ address, readiness, scrape, refused: () => {} });

  const { status } = await fetch(`http://127.0.0.1:${listener.address.port}/livez`, { method });

  expect(status).toBe(404);
});
