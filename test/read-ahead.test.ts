import * as http2 from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { GetUserRequestSchema } from "../src/gen/commerce/user/v1/user_service_pb.ts";
import { frame, post } from "./support/calls.ts";
import { startListeners } from "./support/listeners.ts";
import { bindStreams } from "./support/streams.ts";

const ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
const MESSAGE = frame(toBinary(GetUserRequestSchema, create(GetUserRequestSchema, { id: ID })));
const MEBI = 2 ** 20;
const PORTS = ["grpc", "http"] as const;

test.each(PORTS)("a sender is held back while its requests are not taken (%s port)", async (port) => {
  const [taken, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  async function* talk(requests: AsyncIterable<unknown>) {
    yield { user: { name: "begun" } };
    for await (const _ of requests) {
      taken.resolve();
      await released.promise;
      return;
    }
  }
  await using listeners = await startListeners({}, { bindings: [bindStreams({ talk: talk as never })] });
  const session = http2.connect(`http://127.0.0.1:${listeners[port].address.port}`);
  const path = "/test.v1.Streams/Talk";
  const stream = session.request({ ":method": "POST", ":path": path, "content-type": "application/grpc" });
  stream.on("error", () => {}).resume();
  const many = Buffer.concat(Array.from({ length: 250 }, () => MESSAGE));
  let sentBytes = 0;
  const send = (): void => {
    stream.write(many, (error) => {
      if (error || sentBytes > 16 * MEBI) return;
      sentBytes += many.length;
      send();
    });
  };
  send();
  await taken.promise;

  const heldAt = await settled(() => sentBytes);
  released.resolve();
  session.destroy();

  expect(heldAt).toBeGreaterThan(0);
  // A window of a stream, what is taken ahead of the handler, and what is on its way.
  expect(heldAt).toBeLessThan(MEBI);
});

test.each(PORTS)("a method that takes one message is refused a second one (%s port)", async (port) => {
  await using listeners = await startListeners({ getUser: async () => ({}) });
  const path = "/commerce.user.v1.UserService/GetUser";

  const trailers = await post(listeners[port].address.port, path, Buffer.concat([MESSAGE, MESSAGE]));

  expect(trailers["grpc-status"]).toBe(String(Code.Unimplemented));
  expect(decodeURIComponent(String(trailers["grpc-message"]))).toContain("second message");
});

/** A number that has stopped to grow. */
async function settled(read: () => number): Promise<number> {
  let [last, same] = [-1, 0];
  await expect
    .poll(
      () => {
        same = read() === last ? same + 1 : 0;
        last = read();
        return same;
      },
      { interval: 20, timeout: 10_000 },
    )
    .toBeGreaterThan(10);
  return last;
}
