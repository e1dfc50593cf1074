import { once } from "node:events";
import * as net from "node:net";
import { expect, test } from "vitest";
import { bounds } from "../src/bounds.ts";
import { createHandoff } from "../src/workers/handoff.ts";

/** A port whose connections workers are handed; they keep what they are sent. */
async function openHandoff() {
  const refused: string[] = [];
  const handoff = createHandoff((port) => refused.push(port));
  const port = await handoff.open("GRPC_ADDR", { host: "127.0.0.1", port: 0 });
  const callers: net.Socket[] = [];
  const worker = () => {
    const sent: { readonly kind: string; readonly caller: number | undefined }[] = [];
    const lane = handoff.enter(({ kind }, socket) => sent.push({ kind, caller: socket?.remotePort }));
    const takeAll = (): void => {
      while (lane.length() > 0) lane.taken();
    };
    return { sent, lane, takeAll, callers: () => sent.map(({ caller }) => caller) };
  };
  return {
    refused,
    port,
    worker,
    /** Connects so many callers, one after the other. */
    async connect(count: number): Promise<net.Socket[]> {
      for (let left = count; left > 0; left -= 1) {
        const caller = net.connect(port.address.port, port.address.host).on("error", () => {});
        callers.push(caller);
        await once(caller, "connect");
      }
      return callers.slice(-count);
    },
    async [Symbol.asyncDispose]() {
      await port.close();
      for (const caller of callers) caller.destroy();
    },
  };
}

test("connections go to the workers in turn, each after the one before was taken", async () => {
  await using handoff = await openHandoff();
  const [one, other] = [handoff.worker(), handoff.worker()];

  await handoff.connect(6);
  await expect.poll(() => one.lane.length() + other.lane.length()).toBe(6);
  const before = [one.sent.length, other.sent.length];
  for (let takes = 0; takes < 3; takes += 1) one.lane.taken();

  expect([before, one.sent.length, other.sent.length]).toEqual([[1, 1], 3, 1]);
});

test("a worker that dies leaves its connections to the others, but for the one that it may have read", async () => {
  await using handoff = await openHandoff();
  const [dying, other] = [handoff.worker(), handoff.worker()];
  const callers = await handoff.connect(4);
  await expect.poll(() => dying.lane.length() + other.lane.length()).toBe(4);
  const [first, second, third, fourth] = callers.map(({ localPort }) => localPort);
  const closed = once(callers[0]!.resume(), "close");

  const taken = dying.callers();
  dying.lane.leave();
  for (let takes = 0; takes < 2; takes += 1) other.lane.taken();
  await closed;

  expect([taken, other.callers()]).toEqual([[first], [second, fourth, third]]);
});

test("a worker that does not take what it was sent is passed over until it does", async () => {
  await using handoff = await openHandoff();
  const [stuck, other] = [handoff.worker(), handoff.worker()];
  await handoff.connect(1);
  await expect.poll(() => stuck.lane.isStuck()).toBe(true);

  await handoff.connect(3);
  await expect.poll(() => other.lane.length()).toBe(3);
  stuck.lane.taken();
  await handoff.connect(2);
  await expect.poll(() => stuck.lane.length() + other.lane.length()).toBe(5);

  expect([stuck.lane.length(), other.lane.length()]).toEqual([1, 4]);
});

test("connections behind one that a worker does not take go to the others", async () => {
  await using handoff = await openHandoff();
  const [stuck, other] = [handoff.worker(), handoff.worker()];

  const callers = await handoff.connect(6);
  const [first, ...others] = callers.map(({ localPort }) => localPort);
  await expect.poll(() => stuck.lane.length() + other.lane.length()).toBe(6);
  const before = stuck.lane.length();
  other.takeAll();
  await expect.poll(() => stuck.lane.length()).toBe(1);
  other.takeAll();

  expect([before, stuck.callers(), new Set(other.callers())]).toEqual([3, [first], new Set(others)]);
});

test("connections that come while there is no worker wait for one, and above a bound are refused", async () => {
  await using handoff = await openHandoff();
  // One address leaves as much to the others.
  const max = bounds.handoffs.max / 2;

  await handoff.connect(max + 2);
  await expect.poll(() => handoff.refused).toEqual(["GRPC_ADDR", "GRPC_ADDR"]);
  const { lane } = handoff.worker();

  expect(lane.length()).toBe(max);
});

test("a worker hears that a port is closed behind all of its connections", async () => {
  await using handoff = await openHandoff();
  const { sent, lane } = handoff.worker();
  await handoff.connect(2);
  await expect.poll(() => lane.length()).toBe(2);

  lane.close("GRPC_ADDR");
  const before = sent.map(({ kind }) => kind);
  lane.taken();
  lane.taken();

  expect([before, sent.map(({ kind }) => kind)]).toEqual([
    ["connection"],
    ["connection", "connection", "closed"],
  ]);
});
