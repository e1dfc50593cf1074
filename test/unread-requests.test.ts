import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { create, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { GetUserRequestSchema } from "../src/gen/commerce/user/v1/user_service_pb.ts";
import { frame } from "./support/calls.ts";
import { startListeners } from "./support/listeners.ts";
import { connect } from "./support/open-calls.ts";

const GET_USER = "/commerce.user.v1.UserService/GetUser";

test.each([
  ["grpc", "/nobody.Nothing/Nope", "application/grpc"],
  ["grpc", "/nobody.Nothing/Nope", "text/plain"],
  ["http", "/nobody.Nothing/Nope", "application/grpc"],
  ["http", "/nobody.Nothing/Nope", "application/json"],
  ["http", GET_USER, "text/plain"],
] as const)("what is refused unread holds no stream (%s port, %s, %s)", async (port, path, type) => {
  await using listeners = await startListeners({ getUser: ({ id }) => ({ user: { id } }) });
  await using connection = connect(listeners[port].address.port);

  for (let n = 0; n < 8; n++) {
    const calls = Array.from({ length: 50 }, () => connection.open(path, { "content-type": type }));
    await Promise.all(
      calls.map(async ({ stream }) => {
        stream.write(Buffer.alloc(10_000));
        if (!stream.closed) await once(stream, "close");
      }),
    );
  }
  const { stream, answer } = connection.open(GET_USER);
  stream.end(frame(toBinary(GetUserRequestSchema, create(GetUserRequestSchema, { id: randomUUID() }))));

  expect(await answer).toEqual(["OK", undefined]);
});
