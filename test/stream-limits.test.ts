import { once } from "node:events";
import * as http2 from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { GetUserRequestSchema } from "../src/gen/commerce/user/v1/user_service_pb.ts";
import { ErrorInfoSchema } from "../src/gen/google/rpc/error_details_pb.ts";
import { failureOf, frame, post } from "./support/calls.ts";
import { type Listeners, PROTOCOLS, startListeners } from "./support/listeners.ts";
import { bindStreams, type Streams, streamsClient } from "./support/streams.ts";

const ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
const TALK = "/test.v1.Streams/Talk";
const BIDI = PROTOCOLS.filter((protocol) => ["gRPC listener", "gRPC", "Connect"].includes(protocol));
const MESSAGE = frame(toBinary(GetUserRequestSchema, create(GetUserRequestSchema, { id: ID })));

/** Streams that may idle for a fifth of a second, and have no deadline. */
const start = (streams: Partial<Streams>) =>
  startListeners({}, { bindings: [bindStreams(streams, { maxIdle: { seconds: 0n, nanos: 200_000_000 } })] });

test.each(BIDI)(
  "ends a stream over %s that neither side moves for its longest idleness",
  async (protocol) => {
    await using listeners = await start({ talk: echo });
    const released = Promise.withResolvers<void>();
    async function* requests() {
      yield { id: ID };
      await released.promise;
    }

    const error = await failureOf(collect(streamsClient(listeners, protocol).talk(requests())));
    released.resolve();

    const [info] = error.findDetails(ErrorInfoSchema);
    expect([error.code, info?.reason]).toEqual([Code.DeadlineExceeded, "STREAM_IDLE"]);
    expect(error.rawMessage).toContain("0.2 s");
  },
);

test.each(["grpc", "http"] as const)(
  "ends a stream whose caller takes no answer for its longest idleness (%s listener)",
  async (listener) => {
    const stopped = Promise.withResolvers<unknown>();
    await using listeners = await start({
      async *talk(_, { signal }) {
        try {
          for (;;) yield { user: { name: "x".repeat(10_000) } };
        } finally {
          stopped.resolve(signal.reason);
        }
      },
    });
    const { session, stream } = open(listeners, listener);

    stream.write(MESSAGE);
    await once(stream, "response"); // Reads the headers and then nothing.
    const reason = await stopped.promise;
    session.destroy();

    expect(reason).toMatchObject({ reason: "STREAM_IDLE" });
  },
);

test("has no deadline but the caller's own, as long as that may be", async () => {
  const deadlines: number[] = [];
  await using listeners = await start({
    async *talk(requests, { deadlineMs }) {
      deadlines.push(deadlineMs - Date.now());
      yield* echo(requests);
    },
  });
  const { port } = listeners.grpc.address;

  await post(port, TALK, MESSAGE);
  await post(port, TALK, MESSAGE, { "grpc-timeout": "8760H" });

  expect(deadlines[0]).toBe(Infinity);
  expect(deadlines[1]! / (365 * 24 * 3_600_000)).toBeCloseTo(1, 3);
});

test("a connection that has reached its age takes no new call and cuts none that runs", async () => {
  const options = { bindings: [bindStreams({ talk: echo })], connectionAgeMs: 100 };
  await using listeners = await startListeners({}, options);
  const { session, stream } = open(listeners, "grpc");
  const trailers = once(stream, "trailers") as Promise<[http2.IncomingHttpHeaders]>;

  await once(session, "goaway");
  for (let round = 0; round < 2; round++) {
    stream.write(MESSAGE);
    await once(stream, "data");
  }
  stream.end();

  expect((await trailers)[0]["grpc-status"]).toBe("0");
});

function open(listeners: Listeners, listener: "grpc" | "http") {
  const session = http2.connect(`http://127.0.0.1:${listeners[listener].address.port}`);
  const headers = { ":method": "POST", ":path": TALK, "content-type": "application/grpc" };
  return { session, stream: session.request(headers).on("error", () => {}) };
}

async function collect(answers: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of answers);
}

async function* echo(requests: AsyncIterable<{ readonly id: string }>) {
  for await (const { id } of requests) yield { user: { name: id } };
}
