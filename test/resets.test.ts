import { once } from "node:events";
import * as http2 from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { bounds } from "../src/bounds.ts";
import { createResets } from "../src/rpc/resets.ts";
import { frame } from "./support/calls.ts";
import { type Listeners, readMetrics, startListeners, userClient } from "./support/listeners.ts";

const PORTS = ["grpc", "http"] as const;
const ID = "5220b79e-d40c-5168-9f86-e3cc2ec6b7ff";
const REQUEST = frame(Buffer.from(`0a24${Buffer.from(ID).toString("hex")}`, "hex"));

/** How many resets in a row are not too many, at most so many. */
function countResets(resets: ReturnType<typeof createResets>, most = 10_000): number {
  for (let count = 0; count < most; count++) if (resets.reset()) return count;
  return most;
}

test("takes 256 resets, and two more for each call that finishes", () => {
  const [none, some] = [createResets(), createResets()];

  for (let count = 0; count < 50; count++) some.finished();

  expect([countResets(none), countResets(some)]).toEqual([256, 356]);
});

test("forgets resets after ten seconds, and not before five", () => {
  let ms = 0;
  const resets = createResets(() => ms);
  countResets(resets, 150);

  ms = 4_999;
  countResets(resets, 1);
  ms = 9_998;
  const left = countResets(resets);
  ms = 30_000;

  expect([left, countResets(resets)]).toEqual([105, 256]);
});

test("takes 20 resets a second for ever", () => {
  let ms = 0;
  const resets = createResets(() => ms);

  const verdicts = Array.from({ length: 20_000 }, () => ((ms += 50), resets.reset()));

  expect(verdicts).not.toContain(true);
});

function connect(listeners: Listeners, port: "grpc" | "http") {
  const session = http2.connect(`http://127.0.0.1:${listeners[port].address.port}`).on("error", () => {});
  const goaways: number[] = [];
  session.on("goaway", (code) => goaways.push(code));
  const call = (): http2.ClientHttp2Stream => {
    const path = "/commerce.user.v1.UserService/GetUser";
    const headers = { ":method": "POST", ":path": path, "content-type": "application/grpc" };
    const stream = session.request(headers).on("error", () => {});
    stream.end(REQUEST);
    return stream.resume();
  };
  return { session, goaways, call, [Symbol.dispose]: () => session.destroy() };
}

test.each(PORTS)(
  "ends a connection to the %s port that resets what it begins, and counts it",
  async (port) => {
    await using listeners = await startListeners({ getUser: () => new Promise<never>(() => {}) });
    using hostile = connect(listeners, port);
    const closed = new Promise((resolve) => hostile.session.once("close", resolve));
    await once(hostile.session, "remoteSettings");

    for (let count = 0; !hostile.session.closed && !hostile.session.destroyed; count++) {
      const stream = hostile.call();
      // Reset when the server has it.
      stream.close(http2.constants.NGHTTP2_CANCEL);
      if (count % 50 === 49) await new Promise((resolve) => hostile.session.ping(resolve));
    }
    await closed;

    expect(hostile.goaways).toEqual([http2.constants.NGHTTP2_ENHANCE_YOUR_CALM]);
    const metrics = await readMetrics(listeners);
    expect(metrics).toContain(
      `rpc_server_requests_refused_total{listener="${port}",error_type="TOO_MANY_RESETS"} 1`,
    );
  },
);

test.each(PORTS)("leaves a connection to the %s port alone that cancels three calls of ten", async (port) => {
  await using listeners = await startListeners({ getUser: async () => ({ user: { name: "Ada" } }) });
  using hedging = connect(listeners, port);
  await once(hedging.session, "remoteSettings");

  // More than Node.js takes by itself.
  for (let round = 0; round < 50; round++) {
    const streams = Array.from({ length: 100 }, hedging.call);
    const closed = streams.map((stream) => once(stream, "close"));
    for (const stream of streams.slice(0, 30)) stream.close(http2.constants.NGHTTP2_CANCEL);
    await Promise.all(closed);
  }

  expect([hedging.goaways, hedging.session.destroyed]).toEqual([[], false]);
});

test.each(PORTS)("leaves a connection to the %s port alone whose calls all time out", async (port) => {
  const calls = { inFlightMax: 1_000 };
  await using listeners = await startListeners({ getUser: () => new Promise<never>(() => {}) }, { calls });
  using patient = connect(listeners, port);
  await once(patient.session, "remoteSettings");

  for (let round = 0; round < 3; round++) {
    const streams = Array.from({ length: 100 }, patient.call);
    // No shorter: it is the time that sets them apart.
    await sleep(bounds.resetMs.max + 50);
    const closed = streams.map((stream) => once(stream, "close"));
    for (const stream of streams) stream.close(http2.constants.NGHTTP2_CANCEL);
    await Promise.all(closed);
  }

  expect([patient.goaways, patient.session.destroyed]).toEqual([[], false]);
});

// Node.js frees the places of calls that were reset a moment later, and refuses those that come before.
test.each(PORTS)("keeps a connection to the %s port whose calls are all replaced at once", async (port) => {
  const calls = { inFlightMax: 1_000 };
  await using listeners = await startListeners({ getUser: () => new Promise<never>(() => {}) }, { calls });
  using hasty = connect(listeners, port);
  await once(hasty.session, "remoteSettings");
  let streams: http2.ClientHttp2Stream[] = [];

  for (let round = 0; round < 4; round++) {
    for (const stream of streams) stream.close(http2.constants.NGHTTP2_CANCEL);
    streams = Array.from({ length: bounds.concurrentStreams.max }, hasty.call);
    // No shorter: it is the time that sets them apart from resets that count.
    await sleep(bounds.resetMs.max + 50);
  }

  expect([hasty.goaways, hasty.session.destroyed]).toEqual([[], false]);
});

test.each(PORTS)("a caller beside one that resets its calls is served (%s)", async (port) => {
  const answer = async () => ({ user: { name: "Ada" } });
  await using listeners = await startListeners({ getUser: answer });
  const client = userClient(listeners, port === "grpc" ? "gRPC listener" : "gRPC");
  using hostile = connect(listeners, port);
  await once(hostile.session, "remoteSettings");

  for (let count = 0; count < 2_000 && !hostile.session.destroyed; count++)
    hostile.call().close(http2.constants.NGHTTP2_CANCEL);
  const { user } = await client.getUser({ id: ID });

  expect(user!.name).toBe("Ada");
});
