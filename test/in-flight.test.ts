import { Code } from "@connectrpc/connect";
import { expect, test, vi } from "vitest";
import { bounds } from "../src/bounds.ts";
import { failureOf } from "./support/calls.ts";
import { type Listeners, readMetrics, startListeners, userClient } from "./support/listeners.ts";
import { bindStreams, streamsClient } from "./support/streams.ts";

const ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
const share = bounds.callsFloor.max;

test("an invalid request frees its place for the next call", async () => {
  await using listeners = await startListeners({ getUser: async () => ({}) }, { calls: { inFlightMax: 1 } });
  const client = userClient(listeners, "gRPC listener");

  const wrong = await failureOf(client.getUser({ id: "nonsense" }));
  const right = client.getUser({ id: ID });

  expect(wrong.code).toBe(Code.InvalidArgument);
  await expect(right).resolves.toBeDefined();
});

/** Listeners with room for two shares of calls, which last until they are released. */
async function startCrowd(principal: string) {
  const released = Promise.withResolvers<void>();
  const getUser = async () => {
    await released.promise;
    return {};
  };
  const listeners = await startListeners(
    { getUser },
    { calls: { inFlightMax: 2 * share }, authenticate: async () => principal },
  );
  /** Calls as often as one share allows, on a connection of their own. */
  const takeShare = (): Promise<unknown>[] => {
    const client = userClient(listeners, "gRPC listener");
    return Array.from({ length: share }, () => client.getUser({ id: ID }));
  };
  return { listeners, takeShare, release: released.resolve };
}

const untilInFlight = (listeners: Listeners, calls: number) =>
  vi.waitUntil(() => listeners.pipeline.inFlight() === calls, 10_000);

test("unknown callers have a share of the places per connection", async () => {
  const { listeners, takeShare, release } = await startCrowd("anonymous");
  await using _ = listeners;

  const calls = [...takeShare(), ...takeShare()];
  await untilInFlight(listeners, 2 * share);
  release();

  await expect(Promise.all(calls)).resolves.toHaveLength(2 * share);
});

test("a known caller has one share of the places for all of its connections, and shed calls are counted", async () => {
  const { listeners, takeShare, release } = await startCrowd("ada");
  await using _ = listeners;

  const calls = takeShare();
  await untilInFlight(listeners, share);
  const error = await failureOf(userClient(listeners, "gRPC listener").getUser({ id: ID }));
  release();

  expect(error.code).toBe(Code.ResourceExhausted);
  await expect(Promise.all(calls)).resolves.toHaveLength(share);
  expect(await readMetrics(listeners)).toContain('rpc_server_limits_met_total{limit="TOO_MANY_CALLS"} 1');
});

test("streams and calls have separate places", async () => {
  const released = Promise.withResolvers<void>();
  async function* tell() {
    yield { user: { name: "Ada" } };
    await released.promise;
  }
  await using listeners = await startListeners(
    { getUser: async () => ({}) },
    { calls: { inFlightMax: 1, streamsMax: 1 }, bindings: [bindStreams({ tell })] },
  );
  const streams = streamsClient(listeners, "gRPC listener");

  const first = streams.tell({ id: ID })[Symbol.asyncIterator]();
  await first.next();
  const call = await userClient(listeners, "gRPC listener").getUser({ id: ID });
  const second = await failureOf(streams.tell({ id: ID })[Symbol.asyncIterator]().next());
  released.resolve();

  expect(call).toBeDefined();
  expect(second.code).toBe(Code.ResourceExhausted);
  expect((await first.next()).done).toBe(true);
});
