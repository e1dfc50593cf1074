import { create, toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { afterEach, expect, test, vi } from "vitest";
import { bounds } from "../src/bounds.ts";
import { GetUserRequestSchema } from "../src/gen/commerce/user/v1/user_service_pb.ts";
import type { Incoming } from "../src/rpc/lifetime.ts";
import type { Body } from "../src/rpc/requests.ts";
import { type Listeners, readMetrics, startListeners } from "./support/listeners.ts";
import { bindStreams } from "./support/streams.ts";
import { arrive } from "./support/telemetry.ts";

const ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
const bytes = toBinary(GetUserRequestSchema, create(GetUserRequestSchema, { id: ID }));

afterEach(() => void vi.useRealTimers());

/** Calls Tell as a listener does that has read no more than the headers. */
function tell({ pipeline }: Listeners, body: Partial<Body> = {}): AsyncIterator<unknown> {
  const { handler } = pipeline.methods.find(({ desc }) => desc.name === "Tell")!;
  if (handler.answers !== "stream") throw new Error("Tell answers with a stream");
  const incoming: Incoming = {
    ...arrive(),
    arrivedMs: Date.now(),
    deadlineMs: Infinity,
    controller: new AbortController(),
    connection: {},
    body: { format: "binary", one: async () => ({ bytes }), many: () => [] as never, ...body },
    hasRoom: () => true,
  };
  return handler.call(incoming)[Symbol.asyncIterator]();
}

test("a stream whose answers its listener stops to take is counted and logged as cancelled, and its place is free", async () => {
  const stopped = vi.fn<() => void>();
  async function* endless() {
    try {
      for (;;) yield { user: { name: "Ada" } };
    } finally {
      stopped();
    }
  }
  await using listeners = await startListeners({}, { bindings: [bindStreams({ tell: endless })] });

  const answers = tell(listeners);
  await answers.next();
  await answers.return?.();

  expect(stopped).toHaveBeenCalledOnce();
  expect(listeners.pipeline.inFlight()).toBe(0);
  expect(listeners.lines.at(-1)).toMatchObject({ method: "test.v1.Streams/Tell", code: "CANCELED" });
  const count = /rpc_server_call_duration_seconds_count\{[^}]*Tell"[^}]*code="(\w+)"[^}]*\} (\d+)/;
  expect(count.exec(await readMetrics(listeners))?.slice(1)).toEqual(["CANCELED", "1"]);
});

test("the request of a method without a deadline arrives within ten seconds, or the call is over", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const idling = { maxIdle: { seconds: 3_600n } };
  await using listeners = await startListeners({}, { bindings: [bindStreams({}, idling)] });

  const answer = tell(listeners, { one: () => new Promise(() => {}) })
    .next()
    .catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(bounds.requestMs.max - 1);
  const before = listeners.lines.length;
  await vi.advanceTimersByTimeAsync(1);

  expect(before).toBe(0);
  expect(await answer).toMatchObject({ code: Code.DeadlineExceeded });
});
