import { once } from "node:events";
import * as net from "node:net";
import { expect, test } from "vitest";
import { bounds } from "../src/bounds.ts";
import { shareScrapes } from "../src/rpc/scrapes.ts";
import { startListeners } from "./support/listeners.ts";

test("a hundred who ask at once are answered by one or two scrapes", async () => {
  let scrapes = 0;
  const scrape = shareScrapes(async () => (scrapes += 1));

  const first = scrape();
  const others = await Promise.all(Array.from({ length: 100 }, scrape));

  expect([await first, new Set(others).size, scrapes]).toEqual([1, 1, 1]);
});

test("who asks while a scrape runs is answered by the next one, and sees what has happened", async () => {
  const gate = Promise.withResolvers<void>();
  let events = 0;
  const begun = Promise.withResolvers<void>();
  const scrape = shareScrapes(async () => {
    const seen = events;
    begun.resolve();
    await gate.promise;
    return seen;
  });

  const before = scrape();
  await begun.promise;
  events = 1;
  const after = [scrape(), scrape()];
  gate.resolve();

  expect([await before, ...(await Promise.all(after))]).toEqual([0, 1, 1]);
});

test("a scrape that fails fails those who wait for it only", async () => {
  const outcomes = [Promise.reject(new Error("no")), Promise.resolve("yes")];
  const scrape = shareScrapes(() => outcomes.shift()!);

  const failed = await scrape().catch(String);

  expect([failed, await scrape()]).toEqual(["Error: no", "yes"]);
});

test("scrapes take a fifth of the time at most", async () => {
  const spans: { begin: number; end: number }[] = [];
  const scrape = shareScrapes(async () => {
    const begin = performance.now();
    while (performance.now() - begin < 20);
    spans.push({ begin, end: performance.now() });
  });

  for (let count = 0; count < 4; count++) await scrape();

  const busy = spans.slice(0, -1).reduce((sum, { begin, end }) => sum + end - begin, 0);
  expect(busy / (spans.at(-1)!.begin - spans[0]!.begin)).toBeLessThan(0.21);
});

test("the admin port has a bounded number of connections, and lets a probe in when it is full", async () => {
  await using listeners = await startListeners();
  const { port } = listeners.admin.address;
  const sockets = Array.from({ length: 200 }, () => net.connect(port, "127.0.0.1").on("error", () => {}));
  await Promise.all(sockets.map((socket) => once(socket, "connect")));

  const live = await fetch(`http://127.0.0.1:${port}/livez`, { headers: { connection: "close" } });

  expect([live.status, await live.json()]).toEqual([200, { live: true }]);
  expect(listeners.admin.connections()).toBeLessThanOrEqual(bounds.adminConnections.max);
  for (const socket of sockets) socket.destroy();
});

test("the admin port says so where TLS or HTTP/2 is spoken", async () => {
  await using listeners = await startListeners();
  const socket = net.connect(listeners.admin.address.port, "127.0.0.1").setEncoding("utf8");
  socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

  const [answer] = (await once(socket, "data")) as [string];
  socket.destroy();

  expect(answer).toMatch(/^HTTP\/1\.1 400 [^]*NEEDS_HTTP1/);
});
