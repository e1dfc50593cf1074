import { once } from "node:events";
import * as http2 from "node:http2";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import * as net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { expect, test } from "vitest";
import type { Call } from "../src/call.ts";
import { DomainError } from "../src/db/errors.ts";
import { GetUserRequestSchema, UserService } from "../src/gen/commerce/user/v1/user_service_pb.ts";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  PreconditionFailureSchema,
  ResourceInfoSchema,
  RetryInfoSchema,
} from "../src/gen/google/rpc/error_details_pb.ts";
import { startAdminDoor } from "../src/rpc/admin.ts";
import { startGrpcDoor } from "../src/rpc/grpc.ts";
import { startHttpDoor } from "../src/rpc/http.ts";
import { loadTls } from "../src/rpc/tls.ts";
import { createAuthority } from "./support/certificates.ts";
import { PROTOCOLS, startDoors, userClient } from "./support/doors.ts";

const ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
const getUser = ({ id }: { readonly id: string }) => ({ user: { id } });

test.each(PROTOCOLS)("answers over %s", async (protocol) => {
  await using doors = await startDoors({ getUser });

  const { user } = await userClient(doors, protocol).getUser({ id: ID });

  expect(user?.id).toBe(ID);
});

test.each(PROTOCOLS)(
  "masks an unknown error over %s and logs it under the id it answers",
  async (protocol) => {
    const secret = Object.assign(new Error("secret"), {
      code: "23505",
      detail: "Key (email)=(ann@example.com)",
    });
    await using doors = await startDoors({ getUser: () => Promise.reject(secret) });

    const error = await failureOf(userClient(doors, protocol).getUser({ id: ID }));

    const [info] = error.findDetails(ErrorInfoSchema);
    expect(error.rawMessage).toBe("internal error");
    expect(error.code).toBe(Code.Internal);
    expect(info).toMatchObject({
      reason: "INTERNAL",
      domain: "commerce-core",
      metadata: { id: expect.any(String) },
    });
    expect(doors.lines).toContainEqual(
      expect.objectContaining({
        id: info?.metadata["id"],
        err: expect.objectContaining({ message: "secret", code: "23505" }),
      }),
    );
    expect(JSON.stringify(doors.lines)).not.toContain("ann@example.com");
  },
);

test.each(PROTOCOLS)(
  "carries the facts of a domain error as google.rpc details over %s",
  async (protocol) => {
    const facts = {
      fields: [{ field: "items[2].quantity", description: "too many" }],
      resource: { type: "commerce.user.v1.User", name: ID },
      violations: [{ type: "STOCK", subject: "p1", description: "3 left" }],
      retryAfterMs: 1500,
      metadata: { available: "3" },
    };
    const thrown = new DomainError("failed_precondition", "TOO_LITTLE_STOCK", "3 left of p1 — “ß”", facts);
    await using doors = await startDoors({ getUser: () => Promise.reject(thrown) });

    const error = await failureOf(userClient(doors, protocol).getUser({ id: ID }));

    expect([error.code, error.rawMessage]).toEqual([Code.FailedPrecondition, "3 left of p1 — “ß”"]);
    expect(error.findDetails(ErrorInfoSchema)).toMatchObject([
      { reason: "TOO_LITTLE_STOCK", domain: "commerce-core", metadata: { available: "3" } },
    ]);
    expect(error.findDetails(BadRequestSchema)).toMatchObject([{ fieldViolations: facts.fields }]);
    expect(error.findDetails(ResourceInfoSchema)).toMatchObject([
      { resourceType: "commerce.user.v1.User", resourceName: ID },
    ]);
    expect(error.findDetails(PreconditionFailureSchema)).toMatchObject([{ violations: facts.violations }]);
    expect(error.findDetails(RetryInfoSchema)).toMatchObject([
      { retryDelay: { seconds: 1n, nanos: 500_000_000 } },
    ]);
  },
);

test("cuts an error to what every client takes in HTTP trailers: 8 KiB", async () => {
  const fields = Array.from({ length: 1000 }, (_, i) => ({
    field: `ids[${i}]`,
    description: "字".repeat(1000),
  }));
  const facts = { fields, metadata: { missing: ID.repeat(1000) } };
  const thrown = new DomainError("invalid", "INVALID_FIELD", "x😀".repeat(5000), facts);
  await using doors = await startDoors({ getUser: () => Promise.reject(thrown) });
  const request = toBinary(GetUserRequestSchema, create(GetUserRequestSchema, { id: ID }));

  const { trailers } = await post(doors.grpc.address.port, "GetUser", frame(request));
  const error = await failureOf(userClient(doors, "gRPC door").getUser({ id: ID }));

  expect(Object.entries(trailers).flat().join("").length).toBeLessThan(8192);
  expect(error.rawMessage).toMatch(/^x😀.*x?…$/u);
  expect(error.findDetails(BadRequestSchema)[0]?.fieldViolations).toHaveLength(10);
});

test.each(PROTOCOLS)("names each wrong field over %s, and calls no handler", async (protocol) => {
  let calls = 0;
  await using doors = await startDoors({
    batchGetUsers: () => ({ users: [], calls: (calls += 1) }) as never,
  });

  const error = await failureOf(userClient(doors, protocol).batchGetUsers({ ids: [ID, "x", ""] }));

  const fields = error.findDetails(BadRequestSchema)[0]?.fieldViolations.map(({ field }) => field);
  expect([error.code, fields, calls]).toEqual([Code.InvalidArgument, ["ids[1]", "ids[2]"], 0]);
});

test.each(PROTOCOLS)(
  "keeps the deadline over %s even if the handler ignores its signal",
  async (protocol) => {
    const stuck = Promise.withResolvers<never>();
    let call: Call | undefined;
    const options = { calls: { deadlineMsDefault: 50 } };
    await using doors = await startDoors({ getUser: (_, own) => ((call = own), stuck.promise) }, options);

    const error = await failureOf(userClient(doors, protocol).getUser({ id: ID }));

    expect(error.code).toBe(Code.DeadlineExceeded);
    expect(error.findDetails(ErrorInfoSchema)).toMatchObject([{ reason: "DEADLINE_EXCEEDED" }]);
    expect(call?.signal.reason).toMatchObject({ kind: "deadline_exceeded" });
  },
);

test.each(PROTOCOLS)(
  "tells the handler the caller's deadline over %s, clamped to the maximum",
  async (protocol) => {
    const deadlines: number[] = [];
    const handler = {
      getUser: ({ id }: { id: string }, call: Call) => (deadlines.push(call.deadlineMs), getUser({ id })),
    };
    await using doors = await startDoors(handler, { calls: { deadlineMsMax: 10_000 } });
    const client = userClient(doors, protocol);
    const startMs = Date.now();

    await client.getUser({ id: ID });
    await client.getUser({ id: ID }, { timeoutMs: 8_000 });
    await client.getUser({ id: ID }, { timeoutMs: 3_000_000 });

    const seconds = deadlines.map((deadlineMs) => Math.round((deadlineMs - startMs) / 1000));
    expect(seconds).toEqual([5, 8, 10]);
  },
);

test.each(PROTOCOLS)("aborts the handler's signal over %s when the caller cancels", async (protocol) => {
  const started = Promise.withResolvers<void>();
  const aborted = Promise.withResolvers<unknown>();
  const caller = new AbortController();
  await using doors = await startDoors({
    getUser(_, { signal }) {
      signal.addEventListener("abort", () => aborted.resolve(signal.reason));
      started.resolve();
      return new Promise<never>(() => {});
    },
  });

  const answer = failureOf(userClient(doors, protocol).getUser({ id: ID }, { signal: caller.signal }));
  await started.promise;
  caller.abort();

  expect(await aborted.promise).toMatchObject({ kind: "cancelled", reason: "CANCELLED" });
  expect((await answer).code).toBe(Code.Canceled);
});

test("sheds calls above the bound until handlers have really stopped, and never a probe", async () => {
  const first = Promise.withResolvers<ReturnType<typeof getUser>>();
  const options = { calls: { inFlightMax: 1, deadlineMsDefault: 50 } };
  await using doors = await startDoors({ getUser: () => first.promise }, options);
  const client = userClient(doors, "gRPC door");
  await failureOf(client.getUser({ id: ID })); // Its deadline passes; its handler goes on.

  const shed = await failureOf(client.getUser({ id: ID }));
  first.resolve(getUser({ id: ID }));
  await first.promise;
  const { user } = await client.getUser({ id: ID });

  expect(shed.code).toBe(Code.ResourceExhausted);
  expect(shed.findDetails(ErrorInfoSchema)).toMatchObject([{ reason: "TOO_MANY_CALLS" }]);
  expect(shed.findDetails(RetryInfoSchema)).toHaveLength(1);
  expect(user?.id).toBe(ID);
});

test.each(PROTOCOLS)("hands the authenticated principal to the handler over %s", async (protocol) => {
  const authenticate = async (header: (name: string) => string | null): Promise<string> => {
    const token = header("authorization");
    if (!token) throw new DomainError("unauthenticated", "CREDENTIALS_MISSING", "no token");
    return token.replace("Bearer ", "");
  };
  const handler = { getUser: (_: unknown, { principal }: Call) => ({ user: { name: principal } }) };
  await using doors = await startDoors(handler, { authenticate });

  const { user } = await userClient(doors, protocol, "ann").getUser({ id: ID });
  const refused = await failureOf(userClient(doors, protocol).getUser({ id: "not even a UUID" }));

  expect([user?.name, refused.code]).toEqual(["ann", Code.Unauthenticated]);
});

test.each(PROTOCOLS)(
  "refuses a message above the limit with RESOURCE_EXHAUSTED over %s",
  async (protocol) => {
    await using doors = await startDoors({}, { calls: { messageBytesMax: 10_000 } });

    const error = await failureOf(userClient(doors, protocol).getUser({ id: "x".repeat(20_000) }));

    expect(error.code).toBe(Code.ResourceExhausted);
  },
);

test.each(["grpc", "http"] as const)("answers malformed bytes with a gRPC status (%s door)", async (door) => {
  await using doors = await startDoors({ getUser });

  const { trailers } = await post(doors[door].address.port, "GetUser", Buffer.from([0, 0, 0, 0, 1, 0xff]));

  expect(trailers["grpc-status"]).toBe(String(Code.Internal));
});

test.each(["grpc", "http"] as const)(
  "answers UNIMPLEMENTED for an unknown method (%s door)",
  async (door) => {
    await using doors = await startDoors({ getUser });

    const { trailers } = await post(doors[door].address.port, "Nothing", Buffer.alloc(5));

    expect(trailers["grpc-status"]).toBe(String(Code.Unimplemented));
  },
);

test.each(["grpc", "http"] as const)(
  "answers 415 for a content type that is none of its own (%s door)",
  async (door) => {
    await using doors = await startDoors({ getUser });

    const { headers } = await post(doors[door].address.port, "GetUser", Buffer.alloc(5), "text/plain");

    expect(headers[":status"]).toBe(415);
  },
);

test.each(["grpc", "http"] as const)(
  "survives authorities, bytes and sockets that make no sense (%s door)",
  async (door) => {
    await using doors = await startDoors({ getUser });
    const { port } = doors[door].address;
    const send = async (bytes: string): Promise<void> => {
      const socket = net.connect(port, "127.0.0.1").on("error", () => {});
      socket.end(bytes).resume();
      await once(socket, "close");
    };

    await send("");
    await send("P");
    await send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnonsense nonsense nonsense");
    await send(
      "POST /commerce.user.v1.UserService/GetUser HTTP/1.1\r\nhost: %%%\r\nconnection: close\r\n\r\n",
    );
    await send("\0\0\0\0");
    await post(port, "GetUser", Buffer.alloc(5), "application/grpc", "%%%").catch(() => {});

    const { user } = await userClient(doors, door === "grpc" ? "gRPC door" : "gRPC").getUser({ id: ID });
    expect(user?.id).toBe(ID);
  },
);

test("tells HTTP/1.1 and HTTP/2 apart when their first bytes come one by one", async () => {
  await using doors = await startDoors({ getUser });
  const socket = net.connect(doors.http.address.port, "127.0.0.1").setNoDelay();
  const request = `POST /commerce.user.v1.UserService/GetUser HTTP/1.1\r\nhost: x\r\nconnection: close\r\n`;
  const body = JSON.stringify({ id: ID });

  for (const byte of "POST ") await new Promise((resolve) => socket.write(byte, () => setImmediate(resolve)));
  socket.write(
    `${request.slice(5)}content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );

  const answer = (await socket.setEncoding("utf8").toArray()).join("");
  expect(answer).toContain("HTTP/1.1 200 OK");
  expect(answer).toContain(ID);
});

test("serves the same certificate over HTTP/1.1, HTTP/2 and gRPC", async () => {
  const authority = createAuthority();
  await using directory = await mkdtempDisposable(join(tmpdir(), "doors-"));
  const { cert, key } = authority.issue("127.0.0.1");
  const files = { certFile: join(directory.path, "cert.pem"), keyFile: join(directory.path, "key.pem") };
  await Promise.all([writeFile(files.certFile, cert), writeFile(files.keyFile, key)]);
  await using tls = await loadTls(files);
  await using doors = await startDoors({ getUser }, { tls });
  const nodeOptions = { ca: authority.cert };
  const httpUrl = `https://127.0.0.1:${doors.http.address.port}`;
  const grpcUrl = `https://127.0.0.1:${doors.grpc.address.port}`;

  const transports = [
    createConnectTransport({ baseUrl: httpUrl, httpVersion: "1.1", nodeOptions }),
    createConnectTransport({ baseUrl: httpUrl, httpVersion: "2", nodeOptions }),
    createGrpcTransport({ baseUrl: httpUrl, nodeOptions }),
    createGrpcTransport({ baseUrl: grpcUrl, nodeOptions }),
  ];
  const answers = await Promise.all(
    transports.map((each) => createClient(UserService, each).getUser({ id: ID })),
  );

  expect(answers.map(({ user }) => user?.id)).toEqual([ID, ID, ID, ID]);
});

test("lets the calls in flight finish, HTTP/1.1 too, and takes no new ones while it drains", async () => {
  const inside = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  let calls = 0;
  const handler = async ({ id }: { id: string }) => {
    if ((calls += 1) === PROTOCOLS.length) inside.resolve();
    await gate.promise;
    return getUser({ id });
  };
  await using doors = await startDoors({ getUser: handler });
  const clients = PROTOCOLS.map((protocol) => userClient(doors, protocol));
  const running = clients.map((client) => client.getUser({ id: ID }));
  await inside.promise;

  const drained = Promise.all([doors.grpc.drain(5_000), doors.http.drain(5_000)]);
  const refused = net.connect(doors.http.address.port, "127.0.0.1");
  const [problem] = (await once(refused, "error")) as [NodeJS.ErrnoException];
  gate.resolve();

  expect(problem.code).toBe("ECONNREFUSED");
  expect((await Promise.all(running)).map(({ user }) => user?.id)).toEqual(PROTOCOLS.map(() => ID));
  expect(await drained).toEqual([true, true]);
});

test("cuts what outlasts the grace and says so", async () => {
  const inside = Promise.withResolvers<void>();
  await using doors = await startDoors({ getUser: () => (inside.resolve(), new Promise<never>(() => {})) });
  const running = failureOf(userClient(doors, "gRPC").getUser({ id: ID }));
  await inside.promise;

  const finished = await doors.http.drain(20);

  expect(finished).toBe(false);
  expect((await running).code).not.toBe(Code.DeadlineExceeded);
});

test("names the address and the variable when the port is in use", async () => {
  await using doors = await startDoors();
  const { methods } = doors.pipeline;
  const { readiness } = doors.health;
  const scrape = async () => ({ contentType: "", body: "" });
  const common = { messageBytesMax: 1000, readiness, scrape, address: doors.http.address };

  const starts = [startGrpcDoor(methods, common), startHttpDoor(methods, common), startAdminDoor(common)];
  const problems = await Promise.all(
    starts.map((start) => start.then(String, (error: Error) => error.message)),
  );

  const where = `127.0.0.1:${doors.http.address.port}`;
  expect(problems).toEqual([
    `cannot listen on ${where} (GRPC_ADDR): the port is in use`,
    `cannot listen on ${where} (HTTP_ADDR): the port is in use`,
    `cannot listen on ${where} (ADMIN_ADDR): the port is in use`,
  ]);
});

test("counts calls by method, door and code, and leaves no request in the log", async () => {
  await using doors = await startDoors({
    createUser: () => Promise.reject(new DomainError("already_exists", "EMAIL_TAKEN", "taken")),
  });
  const request = { email: "ann@example.com", name: "Ann", password: "correct horse" };

  await failureOf(userClient(doors, "gRPC door", "s3cr3t").createUser(request));

  const metrics = await (await fetch(`http://127.0.0.1:${doors.admin.address.port}/metrics`)).text();
  expect(metrics).toMatch(
    /rpc_server_duration_seconds_count\{[^}]*method="CreateUser",door="grpc",code="ALREADY_EXISTS"\} 1/,
  );
  expect(metrics).toContain("nodejs_eventloop_lag_seconds");
  expect(doors.lines).toMatchObject([
    {
      level: "info",
      rpc: "commerce.user.v1.UserService/CreateUser",
      code: "ALREADY_EXISTS",
      reason: "EMAIL_TAKEN",
    },
  ]);
  expect(JSON.stringify(doors.lines)).not.toMatch(/horse|ann@example|s3cr3t/);
});

async function failureOf(answer: Promise<unknown>): Promise<ConnectError> {
  const result = await answer.catch((error: unknown) => error);
  if (result instanceof ConnectError) return result;
  throw new Error("the call has not failed", { cause: result });
}

async function post(
  port: number,
  method: string,
  body: Buffer,
  contentType = "application/grpc",
  authority = `127.0.0.1:${port}`,
) {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  const path = `/commerce.user.v1.UserService/${method}`;
  const stream = session.request({
    ":method": "POST",
    ":path": path,
    ":authority": authority,
    "content-type": contentType,
  });
  stream.end(body).resume();
  let trailers: http2.IncomingHttpHeaders = {};
  stream.on("trailers", (received) => (trailers = received));
  const [headers] = (await once(stream, "response")) as [http2.IncomingHttpHeaders];
  if (!stream.closed) await once(stream, "close");
  session.close();
  return { headers, trailers: { ...headers, ...trailers } };
}

function frame(message: Uint8Array): Buffer {
  const header = Buffer.alloc(5);
  header.writeUInt32BE(message.length, 1);
  return Buffer.concat([header, message]);
}
