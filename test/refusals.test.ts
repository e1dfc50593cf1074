import { once } from "node:events";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import * as http2 from "node:http2";
import * as net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { DescMethodServerStreaming, DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import { BytesValueSchema } from "@bufbuild/protobuf/wkt";
import { createAsyncIterable } from "@connectrpc/connect/protocol";
import { expect, test } from "vitest";
import { type GetUserRequestSchema, UserService } from "../src/gen/commerce/user/v1/user_service_pb.ts";
import type { Listener } from "../src/rpc/listen.ts";
import { loadTls } from "../src/rpc/tls.ts";
import { createAuthority } from "./support/certificates.ts";
import { type Listeners, PROTOCOLS, type Protocol, startListeners, transport } from "./support/listeners.ts";
import { failure } from "./support/errors.ts";
import { countCalls, countRefused } from "./support/counts.ts";
import { bindStreams, streams } from "./support/streams.ts";

const ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
const GET_USER = "/commerce.user.v1.UserService/GetUser";
const DELETE_USER = "/commerce.user.v1.UserService/DeleteUser";
const getUser = ({ id }: { readonly id: string }) => ({ user: { id } });

/** Neither bytes nor JSON of a GetUserRequest: its id would not be UTF-8, and the JSON is no object. */
const NONSENSE = { value: Uint8Array.of(0xff) };
const { getUser: method } = UserService.method;
const garbled = { ...method, input: BytesValueSchema } as unknown as typeof method;
const garbledStream = { ...streams.method["tell"]!, input: BytesValueSchema } as DescMethodServerStreaming;

test.each(PROTOCOLS)(
  "refuses what is no message with MALFORMED_REQUEST over %s, and counts and logs it",
  async (protocol) => {
    await using listeners = await startListeners({ getUser });

    const failed = await failure(call(listeners, protocol, garbled, NONSENSE));

    expect(failed).toEqual({ code: "InvalidArgument", reason: "MALFORMED_REQUEST" });
    expect(await countCalls(listeners)).toEqual({ [`GetUser ${toSystem(protocol)} INVALID_ARGUMENT`]: 1 });
    expect(listeners.lines).toMatchObject([
      {
        method: "commerce.user.v1.UserService/GetUser",
        code: "INVALID_ARGUMENT",
        reason: "MALFORMED_REQUEST",
      },
    ]);
  },
);

test.each(PROTOCOLS)("refuses what is no message of a streaming method over %s", async (protocol) => {
  await using listeners = await startListeners({}, { bindings: [bindStreams({})] });

  const failed = await failure(read(listeners, protocol, garbledStream, NONSENSE));

  expect(failed).toEqual({ code: "InvalidArgument", reason: "MALFORMED_REQUEST" });
  expect(await countCalls(listeners)).toEqual({ [`Tell ${toSystem(protocol)} INVALID_ARGUMENT`]: 1 });
});

test.each(PROTOCOLS)("refuses a message above the limit with MESSAGE_TOO_LARGE over %s", async (protocol) => {
  await using listeners = await startListeners({}, { calls: { messageBytesMax: 10_000 } });

  const failed = await failure(call(listeners, protocol, method, { id: "x".repeat(20_000) }));

  expect(failed).toEqual({ code: "ResourceExhausted", reason: "MESSAGE_TOO_LARGE" });
  expect(await countCalls(listeners)).toEqual({ [`GetUser ${toSystem(protocol)} RESOURCE_EXHAUSTED`]: 1 });
});

test.each(PROTOCOLS)("answers UNKNOWN_METHOD over %s, and counts it", async (protocol) => {
  await using listeners = await startListeners();
  const unknown = { ...method, name: "Nothing" };

  const failed = await failure(call(listeners, protocol, unknown, { id: ID }));

  expect(failed).toEqual({ code: "Unimplemented", reason: "UNKNOWN_METHOD" });
  expect(await countRefused(listeners)).toEqual({ [`${toListener(protocol)} UNKNOWN_METHOD`]: 1 });
});

test.each(["{", "[]", '{"id":7}', '{"ID":""}', "\u0000", Buffer.from('{"id":"\xff"}', "latin1")])(
  "refuses the JSON %j with MALFORMED_REQUEST and leaves it out of the log",
  async (body) => {
    await using listeners = await startListeners({ getUser });

    const response = await fetch(toUrl(listeners, GET_USER), { method: "POST", headers: JSON_TYPE, body });

    expect([response.status, await response.json()]).toMatchObject([400, { code: "invalid_argument" }]);
    expect(await countCalls(listeners)).toEqual({ "GetUser connectrpc INVALID_ARGUMENT": 1 });
    expect(listeners.lines).toMatchObject([{ reason: "MALFORMED_REQUEST" }]);
    expect(listeners.lines[0]).not.toHaveProperty("detail");
  },
);

const JSON_TYPE = { "content-type": "application/json" };

test.each([
  ["GET", DELETE_USER, {}, 405, "METHOD_NOT_ALLOWED", "is called by POST"],
  ["PUT", GET_USER, JSON_TYPE, 405, "METHOD_NOT_ALLOWED", "is called by POST, GET"],
  ["POST", GET_USER, { "content-type": "text/plain" }, 415, "UNSUPPORTED_MEDIA_TYPE", "application/json"],
  ["GET", GET_USER, {}, 415, "UNSUPPORTED_MEDIA_TYPE", "encoding"],
  ["POST", "/nothing", JSON_TYPE, 404, "UNKNOWN_METHOD", "/nothing"],
  ["GET", "/", {}, 404, "UNKNOWN_METHOD", "/"],
  ["POST", "/test.v1.Streams/Talk", JSON_TYPE, 505, "NEEDS_HTTP2", "HTTP/2"],
])("answers %s %s with %o in words: %i %s", async (verb, path, headers, status, reason, words) => {
  await using listeners = await startListeners({ getUser }, { bindings: [bindStreams({})] });

  const response = await fetch(toUrl(listeners, path), { method: verb, headers });

  expect(response.status).toBe(status);
  expect(await response.json()).toMatchObject({
    message: expect.stringContaining(words) as string,
    details: [{ type: "google.rpc.ErrorInfo", debug: { reason } }],
  });
  expect(await countRefused(listeners)).toEqual({ [`http ${reason}`]: 1 });
});

test.each([
  ["what is not HTTP", "\0\0\0\0\r\n\r\n", 400, "MALFORMED_HTTP"],
  ["a Host that names none", `POST ${GET_USER} HTTP/1.1\r\nhost: %%%\r\n\r\n`, 400, "MALFORMED_HTTP"],
  [
    "large headers",
    `GET / HTTP/1.1\r\nhost: x\r\nx: ${"x".repeat(20_000)}\r\n\r\n`,
    431,
    "HEADERS_TOO_LARGE",
  ],
  ["an Expect", `POST ${GET_USER} HTTP/1.1\r\nhost: x\r\nexpect: cake\r\n\r\n`, 417, "EXPECTATION_FAILED"],
  ["a CONNECT", "CONNECT example.com:443 HTTP/1.1\r\nhost: x\r\n\r\n", 405, "METHOD_NOT_ALLOWED"],
])("answers %s in words", async (_, bytes, status, reason) => {
  await using listeners = await startListeners({ getUser });

  const answer = await say(listeners.http, bytes);

  const [head, body] = answer.split("\r\n\r\n", 2);
  expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  expect(body).toContain(`"reason":"${reason}"`);
  expect(await countRefused(listeners)).toEqual({ [`http ${reason}`]: 1 });
});

test.each(["text/plain", "application/json", "application/grpc-web+proto"])(
  "answers %s on the gRPC listener with 415, and says where it is served",
  async (contentType) => {
    await using listeners = await startListeners({ getUser });
    await using session = Object.assign(http2.connect(`http://127.0.0.1:${listeners.grpc.address.port}`), {
      [Symbol.asyncDispose]: async () => session.close(),
    });

    const fields = { ":method": "POST", ":path": GET_USER, "content-type": contentType };
    const stream = session.request(fields).end();
    const [answer] = (await once(stream, "response")) as [http2.IncomingHttpHeaders];

    expect(answer[":status"]).toBe(415);
    expect(await text(stream)).toMatch(/"reason":"UNSUPPORTED_MEDIA_TYPE"/);
    expect(await countRefused(listeners)).toEqual({ "grpc UNSUPPORTED_MEDIA_TYPE": 1 });
  },
);

test.each([
  ["HTTP/1.1", `POST ${GET_USER} HTTP/1.1\r\nhost: x\r\n\r\n`, 505, "NEEDS_HTTP2"],
  ["a TLS handshake", "\x16\x03\x01\x02\x00", 400, "NO_TLS"],
])(
  "answers %s on the gRPC listener in words, and closes the connection",
  async (_, bytes, status, reason) => {
    await using listeners = await startListeners({ getUser });

    const answer = await say(listeners.grpc, bytes);

    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(answer).toContain(`"reason":"${reason}"`);
    expect(await countRefused(listeners)).toEqual({ [`grpc ${reason}`]: 1 });
  },
);

test.each(["grpc", "http"] as const)(
  "answers plain HTTP on a port with TLS in words (%s)",
  async (listener) => {
    const authority = createAuthority();
    await using directory = await mkdtempDisposable(join(tmpdir(), "refusals-"));
    const files = { certFile: join(directory.path, "cert.pem"), keyFile: join(directory.path, "key.pem") };
    const { cert, key } = authority.issue("127.0.0.1");
    await Promise.all([writeFile(files.certFile, cert), writeFile(files.keyFile, key)]);
    await using tls = await loadTls(files);
    await using listeners = await startListeners({ getUser }, { tls });

    const answer = await say(listeners[listener], "GET / HTTP/1.1\r\nhost: x\r\n\r\n");

    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain('"reason":"NEEDS_TLS"');
    expect(await countRefused(listeners)).toEqual({ [`${listener} NEEDS_TLS`]: 1 });
  },
);

function call(
  listeners: Listeners,
  protocol: Protocol,
  desc: DescMethodUnary,
  input: object,
): Promise<unknown> {
  const message = input as MessageInitShape<typeof GetUserRequestSchema>;
  return transport(listeners, protocol).unary(desc, undefined, undefined, undefined, message);
}

async function read(
  listeners: Listeners,
  protocol: Protocol,
  desc: DescMethodServerStreaming,
  input: object,
): Promise<void> {
  const inputs = createAsyncIterable([input as never]);
  const response = await transport(listeners, protocol).stream(desc, undefined, undefined, undefined, inputs);
  for await (const answer of response.message) throw new Error(`was answered ${JSON.stringify(answer)}`);
}

function toListener(protocol: Protocol): string {
  return protocol === "gRPC listener" ? "grpc" : "http";
}

function toUrl(listeners: Listeners, path: string): string {
  return `http://127.0.0.1:${listeners.http.address.port}${path}`;
}

/** Says something over HTTP/1.1 and returns what is answered until the connection ends. */
async function say({ address }: Listener, bytes: string): Promise<string> {
  const socket = net.connect(address.port, "127.0.0.1");
  await once(socket, "connect");
  socket.end(bytes);
  return text(socket);
}

/** What a protocol is called where calls are counted. */
function toSystem(protocol: Protocol): "grpc" | "connectrpc" {
  return protocol.startsWith("gRPC") ? "grpc" : "connectrpc";
}
