import { once } from "node:events";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import * as net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { expect, test } from "vitest";
import { UserService } from "../src/gen/commerce/user/v1/user_service_pb.ts";
import { startAdminListener } from "../src/rpc/admin.ts";
import { startGrpcListener } from "../src/rpc/grpc.ts";
import { startHttpListener } from "../src/rpc/http.ts";
import { loadTls } from "../src/rpc/tls.ts";
import { connectTo, failureOf, frame, post } from "./support/calls.ts";
import { createAuthority } from "./support/certificates.ts";
import { PROTOCOLS, startListeners, userClient } from "./support/listeners.ts";

const ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
const GET_USER = "/commerce.user.v1.UserService/GetUser";
const EMPTY = frame(new Uint8Array());
const getUser = ({ id }: { readonly id: string }) => ({ user: { id } });

test.each(["grpc", "http"] as const)(
  "survives invalid authorities, bytes and sockets (%s listener)",
  async (listener) => {
    await using listeners = await startListeners({ getUser });
    const { port } = listeners[listener].address;
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
    await post(port, GET_USER, EMPTY, { ":authority": "%%%" }).catch(() => {});

    const { user } = await userClient(listeners, listener === "grpc" ? "gRPC listener" : "gRPC").getUser({
      id: ID,
    });
    expect(user?.id).toBe(ID);
  },
);

test("serves the same certificate over HTTP/1.1, HTTP/2 and gRPC", async () => {
  const authority = createAuthority();
  await using directory = await mkdtempDisposable(join(tmpdir(), "listeners-"));
  const { cert, key } = authority.issue("127.0.0.1");
  const files = { certFile: join(directory.path, "cert.pem"), keyFile: join(directory.path, "key.pem") };
  await Promise.all([writeFile(files.certFile, cert), writeFile(files.keyFile, key)]);
  await using tls = await loadTls(files);
  await using listeners = await startListeners({ getUser }, { tls });
  const nodeOptions = { ca: authority.cert };
  const httpUrl = `https://127.0.0.1:${listeners.http.address.port}`;
  const grpcUrl = `https://127.0.0.1:${listeners.grpc.address.port}`;

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

test("a drain lets calls in flight finish, over HTTP/1.1 too, and accepts no new ones", async () => {
  const inside = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  let calls = 0;
  const handler = async ({ id }: { id: string }) => {
    if ((calls += 1) === PROTOCOLS.length) inside.resolve();
    await gate.promise;
    return getUser({ id });
  };
  await using listeners = await startListeners({ getUser: handler });
  const clients = PROTOCOLS.map((protocol) => userClient(listeners, protocol));
  const running = clients.map((client) => client.getUser({ id: ID }));
  const silent = net.connect(listeners.http.address.port, "127.0.0.1").resume();
  await Promise.all([inside.promise, once(silent, "connect")]);

  const drained = Promise.all([listeners.grpc.drain(5_000), listeners.http.drain(5_000)]);
  await expect.poll(() => connectTo(listeners.http.address.port)).toBe("ECONNREFUSED");
  gate.resolve();

  expect((await Promise.all(running)).map(({ user }) => user?.id)).toEqual(PROTOCOLS.map(() => ID));
  expect(await drained).toEqual([true, true]);
});

test("a drain cuts off calls that outlast the grace period and returns false", async () => {
  const inside = Promise.withResolvers<void>();
  await using listeners = await startListeners({
    getUser: () => (inside.resolve(), new Promise<never>(() => {})),
  });
  const running = failureOf(userClient(listeners, "gRPC").getUser({ id: ID }));
  await inside.promise;

  const finished = await listeners.http.drain(20);

  expect(finished).toBe(false);
  expect((await running).code).not.toBe(Code.DeadlineExceeded);
});

test("names the address and the variable when the port is in use", async () => {
  await using listeners = await startListeners();
  const { methods } = listeners.pipeline;
  const { readiness } = listeners.health;
  const scrape = async () => ({ contentType: "", body: "" });
  const refused = (): void => {};
  const limits = { messageBytesMax: 1000, connections: { max: 10, peerMax: 10 } };
  const common = { ...limits, refused, readiness, scrape, address: listeners.http.address };

  const starts = [
    startGrpcListener(methods, common),
    startHttpListener(methods, common),
    startAdminListener(common),
  ];
  const problems = await Promise.all(
    starts.map((start) => start.then(String, (error: Error) => error.message)),
  );

  const where = `127.0.0.1:${listeners.http.address.port}`;
  expect(problems).toEqual([
    `cannot listen on ${where} (GRPC_ADDR): the port is in use`,
    `cannot listen on ${where} (HTTP_ADDR): the port is in use`,
    `cannot listen on ${where} (ADMIN_ADDR): the port is in use`,
  ]);
});
