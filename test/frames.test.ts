import { once } from "node:events";
import * as http2 from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { findTrailerError } from "@connectrpc/connect/protocol-grpc";
import { expect, test } from "vitest";
import { GetUserRequestSchema } from "../src/gen/commerce/user/v1/user_service_pb.ts";
import { ErrorInfoSchema } from "../src/gen/google/rpc/error_details_pb.ts";
import { frame, post } from "./support/calls.ts";
import { startListeners } from "./support/listeners.ts";
import { bindStreams } from "./support/streams.ts";

const ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
const MESSAGE = toBinary(GetUserRequestSchema, create(GetUserRequestSchema, { id: ID }));
const WHOLE = frame(MESSAGE);
const PORTS = ["grpc", "http"] as const;

/** A whole message with another flag in its prefix. */
const flagged = (flag: number): Buffer => Buffer.concat([Buffer.of(flag), WHOLE.subarray(1)]);

const BODIES = {
  "a message that is cut": [WHOLE.subarray(0, 20)],
  "a prefix that is cut": [WHOLE.subarray(0, 3)],
  "a second message that is cut": [WHOLE, WHOLE.subarray(0, 20)],
  "a second message without a byte of its own": [WHOLE, WHOLE.subarray(0, 5)],
  "a second prefix that is cut": [WHOLE, WHOLE.subarray(0, 1)],
  "a message that is compressed in no encoding": [flagged(1)],
  "a message with a flag that there is not": [flagged(7)],
  "a message with a flag of Connect's answers": [flagged(2)],
};
/** Where one message is due, a second one is refused before its prefix is looked at. */
const STREAMED_BODIES = {
  ...BODIES,
  "a second message with a flag that there is not": [WHOLE, flagged(255)],
};
const TALK = "/test.v1.Streams/Talk";
const GET_USER = "/commerce.user.v1.UserService/GetUser";
const METHODS = [
  [TALK, STREAMED_BODIES],
  ["/test.v1.Streams/Ask", STREAMED_BODIES],
  ["/test.v1.Streams/Tell", BODIES],
  [GET_USER, BODIES],
] as const;

/** The code and the reason of an answer. */
const reasonOf = (answer: http2.IncomingHttpHeaders) => {
  const error = findTrailerError(
    new Headers({
      "grpc-status": String(answer["grpc-status"]),
      "grpc-status-details-bin": String(answer["grpc-status-details-bin"]),
    }),
  );
  return [error?.code, error?.findDetails(ErrorInfoSchema)[0]?.reason];
};

/** A service that would answer all of it. */
const start = async () => {
  const calls: string[] = [];
  const answer = { user: { name: "done" } };
  const streams = bindStreams({
    async *talk(requests) {
      for await (const { id } of requests) calls.push(id);
      yield answer;
    },
    async ask(requests) {
      for await (const { id } of requests) calls.push(id);
      return answer;
    },
    async *tell() {
      calls.push("tell");
      yield answer;
    },
  });
  const getUser = () => (calls.push("get"), answer);
  return { listeners: await startListeners({ getUser }, { bindings: [streams] }), calls };
};

test.each(
  PORTS.flatMap((port) =>
    METHODS.flatMap(([path, bodies]) =>
      Object.entries(bodies).map(([what, body]) => [path, what, port, body] as const),
    ),
  ),
)("%s is INVALID_ARGUMENT with %s (%s port)", async (path, _what, port, body) => {
  const { listeners, calls } = await start();
  await using _ = listeners;

  const answer = await post(listeners[port].address.port, path, Buffer.concat(body));

  expect(reasonOf(answer)).toEqual([Code.InvalidArgument, "MALFORMED_REQUEST"]);
  expect(calls.filter((call) => call !== ID)).toEqual([]);
});

test.each(PORTS)("bytes that are no gzip are INVALID_ARGUMENT (%s port)", async (port) => {
  const { listeners, calls } = await start();
  await using _ = listeners;

  const answer = await post(listeners[port].address.port, GET_USER, flagged(1), { "grpc-encoding": "gzip" });

  expect(reasonOf(answer)).toEqual([Code.InvalidArgument, "MALFORMED_REQUEST"]);
  expect(calls).toEqual([]);
});

test.each(["a second message that is cut", "a second message with a flag that there is not"] as const)(
  "answers what stands before %s, and then INVALID_ARGUMENT with its reason",
  async (what) => {
    const { listeners, calls } = await start();
    await using _ = listeners;

    const answer = await post(listeners.grpc.address.port, TALK, Buffer.concat(STREAMED_BODIES[what]));

    expect(calls).toEqual([ID]);
    expect(reasonOf(answer)).toEqual([Code.InvalidArgument, "MALFORMED_REQUEST"]);
    await expect.poll(() => listeners.lines.at(-1)).toMatchObject({ code: "INVALID_ARGUMENT" });
  },
);

test.each(Object.entries(STREAMED_BODIES))(
  "a Connect stream does not succeed with %s",
  async (_what, body) => {
    const { listeners } = await start();
    await using _ = listeners;
    const session = http2.connect(`http://127.0.0.1:${listeners.http.address.port}`);

    const stream = session.request({
      ":method": "POST",
      ":path": TALK,
      "content-type": "application/connect+proto",
    });
    stream.end(Buffer.concat(body));
    const answer = Buffer.concat((await stream.toArray()) as Buffer[]);
    session.close();

    expect(JSON.parse(answer.subarray(5).toString())).toMatchObject({ error: { code: expect.any(String) } });
  },
);

test("takes messages however they are cut into packets", async () => {
  const { listeners, calls } = await start();
  await using _ = listeners;
  const session = http2.connect(`http://127.0.0.1:${listeners.grpc.address.port}`);
  const stream = session.request({
    ":method": "POST",
    ":path": TALK,
    "content-type": "application/grpc",
  });
  let status: unknown;
  stream.on("trailers", (trailers) => (status = trailers["grpc-status"]));

  for (const byte of Buffer.concat([WHOLE, frame(Buffer.alloc(0)).subarray(0, 0), WHOLE]))
    await new Promise((resolve) => stream.write(Buffer.of(byte), resolve));
  stream.end().resume();
  await once(stream, "close");
  session.close();

  expect([status, calls]).toEqual(["0", [ID, ID]]);
});
