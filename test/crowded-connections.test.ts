import { once } from "node:events";
import { connect, Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { bounds } from "../src/bounds.ts";
import { toLogFields } from "../src/telemetry/error-info.ts";
import { type Connections, createConnections } from "../src/rpc/connections.ts";
import { startListeners } from "./support/listeners.ts";

const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

/** A connection that does not go when it is told to. */
function admitStubborn(connections: Connections) {
  const socket = new Socket();
  sockets.push(socket);
  const connection = connections.admit(socket);
  connection?.closeBy(() => {});
  return { socket, connection };
}

test("of connections that were told to go and stay, the eldest is cut when there are too many", () => {
  using connections = createConnections({ max: 1, peerMax: 1_000 }, () => {});
  const most = 1 + bounds.closingConnections.max;

  const eldest = admitStubborn(connections);
  for (let n = 1; n < most; n++) admitStubborn(connections);
  const before = eldest.socket.destroyed;
  const last = admitStubborn(connections);

  expect([before, eldest.socket.destroyed]).toEqual([false, true]);
  expect(last.connection).toBeDefined();
  expect(connections.count()).toBe(most);
});

test("a connection that was told to go is cut after a while, whatever runs on it", async () => {
  using connections = createConnections({ max: 1, peerMax: 1_000, closingMsMax: 20 }, () => {});

  const told = admitStubborn(connections);
  admitStubborn(connections);
  told.connection!.callBegins();
  await once(told.socket, "close");

  expect(connections.count()).toBe(1);
});

test("a connection that sends much without a call is cut, and one that has begun a call is not", async () => {
  const refused: unknown[] = [];
  using connections = createConnections({ max: 2, peerMax: 2 }, (error) => refused.push(toLogFields(error)));
  const [flooding, calling] = [admitStubborn(connections), admitStubborn(connections)];
  for (const { socket, connection } of [flooding, calling]) {
    connection!.boundIdleBytes();
    Object.defineProperty(socket, "bytesRead", { value: bounds.idleBytes.max + 1 });
  }

  calling.connection!.callBegins();
  calling.connection!.callEnds();
  await once(flooding.socket, "close");

  expect([calling.socket.destroyed, refused]).toEqual([false, [{ reason: "TOO_MANY_IDLE_BYTES" }]]);
});

test("a connection is idle when the last of its calls has ended, and not before", () => {
  const refused: unknown[] = [];
  using connections = createConnections({ max: 1, peerMax: 1_000 }, (error) => refused.push(error));
  const { connection } = admitStubborn(connections);

  connection!.callBegins();
  connection!.callBegins();
  connection!.callEnds();
  const whileCalling = admitStubborn(connections).connection;
  connection!.callEnds();
  const whileIdle = admitStubborn(connections).connection;

  expect(whileCalling).toBeUndefined();
  expect(refused).toHaveLength(1);
  expect(whileIdle).toBeDefined();
});

test.each(["grpc", "http", "admin"] as const)(
  "a peer that goes on to hold a connection of the %s port on which its bytes were refused is cut",
  async (name) => {
    await using listeners = await startListeners();
    const socket = connect({ port: listeners[name].address.port, host: "127.0.0.1", allowHalfOpen: true });
    sockets.push(socket.on("error", () => {}).resume());
    // The beginning of a handshake of TLS, which the ports do not speak here.
    socket.write(Buffer.from("160301000400000000", "hex"));
    await once(socket, "end");

    await expect.poll(() => listeners[name].connections(), { timeout: 2_000 }).toBe(0);
  },
);
