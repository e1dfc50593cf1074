import * as http2 from "node:http2";
import { setImmediate } from "node:timers/promises";
import { expect, onTestFinished, test, vi } from "vitest";
import { createTurns } from "../src/rpc/turns.ts";
import { END_STREAM, FRAME, toFrame, toHeaders, toReset } from "./hostile/frames.ts";
import { LIST_USERS, toFields } from "./hostile/messages.ts";
import { connectPeer } from "./hostile/peer.ts";
import { frame } from "./support/calls.ts";
import { drain, PROTOCOLS, readMetrics, startListeners, userClient } from "./support/listeners.ts";
import { arrive } from "./support/telemetry.ts";

test("in each turn so many begin, of one connection after the other, each in their order", async () => {
  const turns = createTurns(3);
  const [crowd, other] = [{}, {}];
  const begun: string[] = [];
  const enter = (connection: object, name: string): void =>
    turns.enter(connection, () => begun.push(name) > 0);

  for (const name of ["a", "b", "c", "d"]) enter(crowd, name);
  for (const name of ["x", "y"]) enter(other, name);
  const counts = [begun.length];
  for (let turn = 0; turn < 3; turn++) counts.push(await setImmediate().then(() => begun.length));

  expect(begun).toEqual(["a", "x", "b", "y", "c", "d"]);
  expect(counts).toEqual([0, 3, 6, 6]);
});

test("what has nothing left to do takes no turn", async () => {
  const turns = createTurns(1);
  const begun: string[] = [];

  for (let count = 0; count < 100; count++) turns.enter(turns, () => false);
  turns.enter(turns, () => begun.push("last") > 0);
  await setImmediate();

  expect(begun).toEqual(["last"]);
});

test.each([
  ["grpc", "gRPC port"],
  ["http", "gRPC"],
] as const)(
  "calls to the %s port that are given up in the packet which opens them never begin",
  async (port, way) => {
    await using listeners = await startListeners({ listUsers: async () => ({}) });
    using peer = await connectPeer(listeners[port].address.port);
    const ids = Array.from({ length: 8 }, (_, index) => 2 * index + 1);
    const request = (id: number): Buffer =>
      Buffer.concat([
        toHeaders(id, toFields(way, LIST_USERS)),
        toFrame(FRAME.data, END_STREAM, id, frame(Buffer.of())),
      ]);
    const cancelled = ids.map((id) =>
      Buffer.concat([request(id), toReset(id, http2.constants.NGHTTP2_CANCEL)]),
    );

    await peer.write(Buffer.concat([...cancelled, request(17)]));
    await expect.poll(() => listeners.lines).not.toEqual([]);

    const started = /rpc_server_calls_started_total\{.*ListUsers".*\} (\d+)/.exec(
      await readMetrics(listeners),
    )?.[1];
    expect(started).toBe("1");
    // None of them is left behind on the connection, which would keep it from closing.
    expect(await listeners[port].drain(2_000)).toBe(true);
  },
);

test.each(PROTOCOLS)(
  "a request that is empty and has ended before its turn is answered over %s",
  async (protocol) => {
    await using listeners = await startListeners({ listUsers: async () => ({ nextPageToken: "next" }) });
    const client = userClient(listeners, protocol);

    const answers = await Promise.all(
      Array.from({ length: 40 }, () => client.listUsers({}, { timeoutMs: 5_000 })),
    );

    expect(new Set(answers.map(({ nextPageToken }) => nextPageToken))).toEqual(new Set(["next"]));
  },
);

test.each([
  ["grpc", "gRPC port"],
  ["http", "gRPC"],
] as const)("a call to the %s port without any message ends, whichever frame says so", async (port, way) => {
  await using listeners = await startListeners();
  using peer = await connectPeer(listeners[port].address.port);

  const [bare, empty] = [peer.open(toFields(way, LIST_USERS)), peer.open(toFields(way, LIST_USERS))];
  void bare.send(Buffer.of(), { end: true });
  await peer.write(toFrame(FRAME.data, 0, 3));
  void empty.send(Buffer.of(), { end: true });

  for (const { answer } of [bare, empty]) expect(await answer).toBe("UNIMPLEMENTED NOT_SUPPORTED");
});

test.each([
  ["grpc", "gRPC port"],
  ["http", "gRPC"],
] as const)("a drain of the %s port waits for calls that wait for their turn", async (port, way) => {
  const arrived = Promise.withResolvers<void>();
  let begun = 0;
  await using listeners = await startListeners(
    {
      async listUsers() {
        begun += 1;
        if (begun + listeners[port].waiting() === 400) arrived.resolve();
        // Work of the processor alone: a look between the turns finds nothing under way.
        for (const endMs = performance.now() + 6; performance.now() < endMs;);
        return {};
      },
    },
    { calls: { inFlightMax: 1_000, deadlineMsDefault: 60_000 } },
  );
  using stack = new DisposableStack();
  const peers = await Promise.all(
    Array.from({ length: 4 }, async () => stack.use(await connectPeer(listeners[port].address.port))),
  );

  const answers = peers.flatMap((peer) =>
    Array.from({ length: 100 }, () => {
      const stream = peer.open(toFields(way, LIST_USERS));
      void stream.send(frame(Buffer.of()), { end: true });
      return stream.answer;
    }),
  );
  await arrived.promise;
  const finished = await drain(listeners);

  expect(new Set(await Promise.all(answers))).toEqual(new Set(["OK"]));
  expect(finished).toBe(true);
});

test("what throws in its turn takes no turn from the others", () => {
  vi.useFakeTimers({ toFake: ["setImmediate"] });
  onTestFinished(() => void vi.useRealTimers());
  const turns = createTurns(1);
  const begun: string[] = [];

  turns.enter(turns, () => {
    throw new Error("begins and fails");
  });
  turns.enter(turns, () => begun.push("next") > 0);

  expect(() => vi.runAllTimers()).toThrow("begins and fails");
  vi.runAllTimers();
  expect([begun, turns.waiting()]).toEqual([["next"], 0]);
});

test("a call is timed from its arrival, and not from its turn", async () => {
  await using listeners = await startListeners({ listUsers: async () => ({}) });
  const { handler } = listeners.pipeline.methods.find(({ desc }) => desc.name === "ListUsers")!;
  if (handler.answers !== "once") throw new Error("ListUsers answers once");

  await handler.call({
    ...arrive(),
    arrivedMs: Date.now() - 700,
    deadlineMs: Infinity,
    controller: new AbortController(),
    connection: {},
    body: { format: "binary", one: async () => ({ bytes: Buffer.of() }), many: () => [] as never },
    hasRoom: () => true,
  });

  const [line] = listeners.lines as { duration_ms: number }[];
  expect(line!.duration_ms).toBeGreaterThanOrEqual(700);
});
