import { randomUUID } from "node:crypto";
import { gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { bounds } from "../src/bounds.ts";
import { DomainError } from "../src/errors.ts";
import { GetUserRequestSchema } from "../src/gen/commerce/user/v1/user_service_pb.ts";
import { createReceipt } from "../src/rpc/receipt.ts";
import { frame } from "./support/calls.ts";
import { readMetrics, startListeners } from "./support/listeners.ts";
import { connect } from "./support/open-calls.ts";
import { bindStreams } from "./support/streams.ts";

const ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
const GET_USER = "/commerce.user.v1.UserService/GetUser";
const REQUEST = toBinary(GetUserRequestSchema, create(GetUserRequestSchema, { id: ID }));
const PORTS = ["grpc", "http"] as const;
const getUser = ({ id }: { readonly id: string }) => ({ user: { id } });

/** The prefix of a message of so many bytes. */
const prefix = (bytes: number, flag = 0): Buffer => {
  const made = Buffer.alloc(5);
  made.writeUInt8(flag);
  made.writeUInt32BE(bytes, 1);
  return made;
};
const compressed = (bytes: Uint8Array): Buffer => {
  const body = gzipSync(bytes);
  return Buffer.concat([prefix(body.length, 1), body]);
};

test.each(PORTS)("refuses a caller without a token before its request is there (%s port)", async (port) => {
  const authenticate = () => Promise.reject(new DomainError("CREDENTIALS_MISSING", "none"));
  await using listeners = await startListeners({ getUser }, { authenticate });
  await using connection = connect(listeners[port].address.port);

  const { answer } = connection.open(GET_USER);

  expect(await answer).toEqual(["Unauthenticated", "CREDENTIALS_MISSING"]);
});

test.each(PORTS)("refuses a message above its method's limit at its prefix (%s port)", async (port) => {
  await using listeners = await startListeners({ getUser });
  await using connection = connect(listeners[port].address.port);

  const { stream, answer } = connection.open(GET_USER);
  stream.write(prefix(16_385));

  expect(await answer).toEqual(["ResourceExhausted", "MESSAGE_TOO_LARGE"]);
  expect(await readMetrics(listeners)).toContain('rpc_server_limits_met_total{limit="MESSAGE_TOO_LARGE"} 1');
});

test.each(PORTS)(
  "refuses a message that decompresses to more than its method takes (%s port)",
  async (port) => {
    await using listeners = await startListeners({ getUser });
    await using connection = connect(listeners[port].address.port);

    const { stream, answer } = connection.open(GET_USER, { "grpc-encoding": "gzip" });
    stream.end(compressed(Buffer.alloc(20_000)));

    expect(await answer).toEqual(["ResourceExhausted", "MESSAGE_TOO_LARGE"]);
  },
);

test.each(PORTS)("takes compressed requests (%s port)", async (port) => {
  await using listeners = await startListeners({ getUser });
  await using connection = connect(listeners[port].address.port);

  const { stream, answer } = connection.open(GET_USER, { "grpc-encoding": "gzip" });
  stream.end(compressed(REQUEST));

  expect(await answer).toEqual(["OK", undefined]);
});

test.each(PORTS)(
  "ends a call whose request does not arrive in time, and frees it (%s port)",
  async (port) => {
    await using listeners = await startListeners({ getUser }, { calls: { deadlineMsDefault: 50 } });
    await using connection = connect(listeners[port].address.port);

    const silent = connection.open(GET_USER);
    const slow = connection.open(GET_USER, { "grpc-timeout": "40m" });
    slow.stream.write(frame(REQUEST).subarray(0, 20));

    const late = ["DeadlineExceeded", "DEADLINE_EXCEEDED"];
    expect(await Promise.all([silent.answer, slow.answer])).toEqual([late, late]);
    await expect.poll(() => readMetrics(listeners)).toContain("\nrpc_server_request_memory_bytes 0\n");
    expect(listeners.pipeline.inFlight()).toBe(0);
  },
);

test.each(PORTS)("a request that is being read takes no place of a handler (%s port)", async (port) => {
  await using listeners = await startListeners({ getUser }, { calls: { inFlightMax: 1 } });
  await using connection = connect(listeners[port].address.port);

  const reading = Array.from({ length: 5 }, () => connection.open(GET_USER));
  const whole = connection.open(GET_USER);
  whole.stream.end(frame(REQUEST));

  expect(await whole.answer).toEqual(["OK", undefined]);
  for (const { stream } of reading) stream.end(frame(REQUEST));
  expect(new Set((await Promise.all(reading.map(({ answer }) => answer))).map(([code]) => code))).toEqual(
    new Set(["OK"]),
  );
});

test("a connection holds as many bytes of requests as it leaves to others", () => {
  const receipt = createReceipt();
  const [greedy, other] = [{}, {}];
  const half = bounds.receiptBytes.max / 2;

  const large = receipt.open(greedy);
  large.add(half);
  const more = () => receipt.open(greedy).add(bounds.receiptFloorBytes.max);
  const others = receipt.open(other);
  others.add(bounds.receiptBytes.max / 8);

  expect(more).toThrow(expect.objectContaining({ kind: "exhausted", reason: "TOO_MANY_BYTES" }));
  for (const hold of [large, others]) hold[Symbol.dispose]();
  expect(() => receipt.open(greedy).add(half / 2)).not.toThrow();
});

test("a stream of requests that are compressed is read one by one", async () => {
  const [a, b, c] = Array.from({ length: 3 }, () => randomUUID());
  const ids: string[] = [];
  const ask = async (requests: AsyncIterable<{ readonly id: string }>) => {
    for await (const { id } of requests) ids.push(id);
    return { user: { name: "done" } };
  };
  await using listeners = await startListeners({}, { bindings: [bindStreams({ ask: ask as never })] });
  await using connection = connect(listeners.grpc.address.port);
  const message = (id: string) => toBinary(GetUserRequestSchema, create(GetUserRequestSchema, { id }));

  const { stream, answer } = connection.open("/test.v1.Streams/Ask", { "grpc-encoding": "gzip" });
  stream.end(Buffer.concat([compressed(message(a!)), frame(message(b!)), compressed(message(c!))]));

  expect(await answer).toEqual(["OK", undefined]);
  expect(ids).toEqual([a, b, c]);
});
