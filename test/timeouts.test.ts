import * as http2 from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { findTrailerError } from "@connectrpc/connect/protocol-grpc";
import { expect, test } from "vitest";
import type { Call } from "../src/call.ts";
import { GetUserRequestSchema } from "../src/gen/commerce/user/v1/user_service_pb.ts";
import { ErrorInfoSchema } from "../src/gen/google/rpc/error_details_pb.ts";
import { frame, post } from "./support/calls.ts";
import { type Listeners, startListeners } from "./support/listeners.ts";

const ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
const GET_USER = "/commerce.user.v1.UserService/GetUser";
const REQUEST = toBinary(GetUserRequestSchema, create(GetUserRequestSchema, { id: ID }));
const DAY_MS = 24 * 3_600_000;
const PORTS = ["grpc", "http"] as const;

/** A service that notes how many seconds each of its calls has, and the longest is a minute. */
async function start() {
  const seconds: number[] = [];
  const getUser = ({ id }: { readonly id: string }, { deadlineMs }: Call) => {
    seconds.push(Math.round((deadlineMs - Date.now()) / 1_000));
    return { user: { id } };
  };
  return { listeners: await startListeners({ getUser }), seconds };
}

/** A call over gRPC with a timeout as it is on the wire. */
const callWith = (listeners: Listeners, port: (typeof PORTS)[number], timeout: string) =>
  post(listeners[port].address.port, GET_USER, frame(REQUEST), { "grpc-timeout": timeout });

test.each(PORTS.flatMap((port) => [25, 30, 49, 50, 90, 365].map((days) => [days, port] as const)))(
  "shortens a timeout of %i days to the longest, whatever its unit (%s port)",
  async (days, port) => {
    const warnings: string[] = [];
    const note = ({ name }: Error): void => void warnings.push(name);
    process.on("warning", note);
    const { listeners, seconds } = await start();
    await using _ = listeners;

    const timeouts = [`${days * 24}H`, `${days * 1_440}M`, `${days * 86_400}S`];
    const answers = [];
    for (const timeout of timeouts) answers.push(await callWith(listeners, port, timeout));
    process.off("warning", note);

    expect(answers.map((answer) => answer["grpc-status"])).toEqual(["0", "0", "0"]);
    expect([seconds, warnings]).toEqual([[60, 60, 60], []]);
  },
);

test.each(PORTS)("shortens the longest timeouts that gRPC can say to the longest (%s port)", async (port) => {
  const { listeners, seconds } = await start();
  await using _ = listeners;

  for (const timeout of ["99999999H", "99999999M", "99999999S", "99999999m"])
    await callWith(listeners, port, timeout);

  expect(seconds).toEqual([60, 60, 60, 60]);
});

test.each([25 * DAY_MS, 30 * DAY_MS, 90 * DAY_MS, 9_999_999_999])(
  "shortens a Connect-Timeout-Ms of %i to the longest",
  async (timeoutMs) => {
    const { listeners, seconds } = await start();
    await using _ = listeners;

    const response = await fetch(`http://127.0.0.1:${listeners.http.address.port}${GET_USER}`, {
      method: "POST",
      headers: { "content-type": "application/proto", "connect-timeout-ms": String(timeoutMs) },
      body: REQUEST,
    });

    expect([response.status, seconds]).toEqual([200, [60]]);
  },
);

test.each(PORTS)("reads each unit of a timeout (%s port)", async (port) => {
  const { listeners, seconds } = await start();
  await using _ = listeners;

  for (const timeout of ["20S", "20000m", "20000000u", "0000020S", "1M"])
    await callWith(listeners, port, timeout);

  expect(seconds).toEqual([20, 20, 20, 20, 60]);
});

const MALFORMED = ["-1S", "10 S", "1.5S", "S", "10", "10s", "123456789S", "+1S", "1e3S", "0x1S", "soon", ""];

test.each(PORTS.flatMap((port) => MALFORMED.map((timeout) => [timeout, port] as const)))(
  "answers INVALID_ARGUMENT with its reason to the timeout %j (%s port)",
  async (timeout, port) => {
    const { listeners, seconds } = await start();
    await using _ = listeners;

    const error = toError(await callWith(listeners, port, timeout));

    expect([error?.code, reasonOf(error), seconds]).toEqual([Code.InvalidArgument, "MALFORMED_TIMEOUT", []]);
    expect(listeners.lines.at(-1)).toMatchObject({ code: "INVALID_ARGUMENT", reason: "MALFORMED_TIMEOUT" });
  },
);

test.each(["-1", "1.5", "1 0", "12345678901", "1m", ""])(
  "answers INVALID_ARGUMENT to the Connect-Timeout-Ms %j",
  async (timeout) => {
    const { listeners, seconds } = await start();
    await using _ = listeners;

    const session = http2.connect(`http://127.0.0.1:${listeners.http.address.port}`);
    const stream = session.request({
      ":method": "POST",
      ":path": GET_USER,
      "content-type": "application/json",
      "connect-timeout-ms": timeout,
    });
    stream.end(JSON.stringify({ id: ID }));
    const chunks = await stream.toArray();
    session.close();

    const answer = JSON.parse(Buffer.concat(chunks as Buffer[]).toString()) as { code: string };
    expect([answer.code, seconds]).toEqual(["invalid_argument", []]);
  },
);

test.each(PORTS)("answers DEADLINE_EXCEEDED to a timeout of nothing (%s port)", async (port) => {
  const { listeners, seconds } = await start();
  await using _ = listeners;

  const error = toError(await callWith(listeners, port, "0S"));

  expect([error?.code, reasonOf(error), seconds]).toEqual([Code.DeadlineExceeded, "DEADLINE_EXCEEDED", []]);
});

const toError = (answer: http2.IncomingHttpHeaders) =>
  findTrailerError(
    new Headers(
      Object.entries(answer).flatMap(([name, value]) =>
        name.startsWith("grpc-") ? [[name, String(value)] as [string, string]] : [],
      ),
    ),
  );

const reasonOf = (error: ReturnType<typeof toError>) => error?.findDetails(ErrorInfoSchema)[0]?.reason;
