import { once } from "node:events";
import * as net from "node:net";
import { afterEach, expect, test, vi } from "vitest";
import { startListeners } from "./support/listeners.ts";

const SETTINGS = Buffer.from("000000040000000000", "hex");
const PREFACE = Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), SETTINGS]);
const [HEADER_BYTES, PING, ACK] = [9, 6, 1];

afterEach(() => void vi.useRealTimers());

/** A peer that has opened a connection and says nothing any more, and the pings that it was sent. */
async function connectSilent(port: number) {
  const socket = net.connect(port, "127.0.0.1");
  let bytes = Buffer.alloc(0);
  socket.on("error", () => {}).on("data", (more: Buffer) => (bytes = Buffer.concat([bytes, more])));
  socket.write(PREFACE);
  await expect.poll(() => bytes.length).toBeGreaterThan(HEADER_BYTES);
  const pings = (): number => {
    let count = 0;
    for (let at = 0; at + HEADER_BYTES <= bytes.length; at += HEADER_BYTES + bytes.readUIntBE(at, 3))
      if (bytes[at + 3] === PING && bytes[at + 4] !== ACK) count += 1;
    return count;
  };
  return { socket, pings, [Symbol.dispose]: () => socket.destroy() };
}

test("a peer that does not answer is asked for a sign of life after a minute, and left ten seconds later", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  await using listeners = await startListeners();
  using peer = await connectSilent(listeners.grpc.address.port);
  const closed = once(peer.socket, "close");

  await vi.advanceTimersByTimeAsync(59_000);
  const before = peer.pings();
  await vi.advanceTimersByTimeAsync(1_000);
  await expect.poll(peer.pings).toBe(1);
  await vi.advanceTimersByTimeAsync(9_000);
  const isOpenBefore = listeners.grpc.connections();
  await vi.advanceTimersByTimeAsync(1_000);
  await closed;

  expect([before, isOpenBefore]).toEqual([0, 1]);
});
