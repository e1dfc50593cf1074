import { once } from "node:events";
import net, { type AddressInfo } from "node:net";
import type pg from "pg";
import { expect, onTestFinished, test, vi } from "vitest";
import { cancel } from "../src/db/engine/cancel-request.ts";
import type { Connection } from "../src/config.ts";

/** A server to which nothing is said but cancellations, and what it is sent. */
async function listen(onConnection: (socket: net.Socket) => void = () => {}) {
  const received: Buffer[] = [];
  const sockets: net.Socket[] = [];
  const listener = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket.on("error", () => {}).on("data", (bytes) => received.push(bytes)));
    onConnection(socket);
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    listener.close();
  });
  const { port } = listener.address() as AddressInfo;
  // The name leads elsewhere: it is the address of the connection that counts.
  const connection: Connection = { host: "db.invalid", port, user: "app", database: "shop", ssl: false };
  return { connection, received, begun: once(listener, "connection") };
}

const client = {
  processID: 7,
  secretKey: -9,
  connection: { stream: { remoteAddress: "127.0.0.1" } },
} as unknown as pg.PoolClient;

test("a cancellation has the number and the key of the session, and goes where its connection does", async () => {
  const { connection, received } = await listen((socket) => socket.on("end", () => socket.end()));

  await cancel(connection, client);

  const request = Buffer.concat(received);
  expect([0, 4, 8, 12].map((at) => request.readInt32BE(at))).toEqual([16, 80_877_102, 7, -9]);
  expect(request).toHaveLength(16);
});

test("a cancellation goes to the one of several hosts that its connection has", async () => {
  const { connection, received } = await listen((socket) => socket.on("end", () => socket.end()));

  await cancel({ ...connection, port: 1 }, Object.assign({ port: connection.port }, client));

  expect(Buffer.concat(received)).toHaveLength(16);
});

test("a cancellation that the server does not take is given up after a second", async () => {
  const { connection, begun } = await listen();
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  let over = false;
  const cancelled = cancel(connection, client).then(() => (over = true));
  await begun;

  vi.advanceTimersByTime(999);
  await new Promise((resolve) => setImmediate(resolve));
  const before = over;
  vi.advanceTimersByTime(1);
  await expect.poll(() => over, { timeout: 1_000 }).toBe(true);
  await cancelled;

  expect(before).toBe(false);
});

test("a cancellation of a connection with TLS asks for TLS first", async () => {
  const { connection, received } = await listen((socket) => socket.once("data", () => socket.destroy()));

  await cancel({ ...connection, ssl: { rejectUnauthorized: true } }, client);

  expect(Buffer.concat(received).toString("hex")).toBe("0000000804d2162f");
});

test("a cancellation of a connection with TLS is not sent where TLS is refused", async () => {
  const { connection, received } = await listen((socket) => {
    socket.once("data", () => socket.write("N"));
    socket.on("end", () => socket.end());
  });

  await cancel({ ...connection, ssl: { rejectUnauthorized: true } }, client);

  expect(Buffer.concat(received).toString("hex")).toBe("0000000804d2162f");
});
