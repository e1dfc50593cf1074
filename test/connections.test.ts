import { once } from "node:events";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import * as http2 from "node:http2";
import * as net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { shareDescriptors } from "../src/rpc/descriptors.ts";
import { loadTls } from "../src/rpc/tls.ts";
import { connectTo } from "./support/calls.ts";
import { createAuthority } from "./support/certificates.ts";
import { type Listeners, readMetrics, startListeners, userClient } from "./support/listeners.ts";

const ID = "5220b79e-d40c-5168-9f86-e3cc2ec6b7ff";
const PORTS = ["grpc", "http"] as const;
const getUser = async () => ({ user: { name: "Ada" } });

test.each([
  [1_024, 25, 339],
  [64, 25, 16],
  [Infinity, 25, Infinity],
])("of %d descriptors and %d connections to the database each port gets %d", (limit, database, expected) => {
  expect(shareDescriptors(database, limit)).toBe(expected);
});

/** A session over HTTP/2 that is open, and the GOAWAYs that it has heard. */
async function openSession(listeners: Listeners, port: "grpc" | "http", localAddress = "127.0.0.1") {
  const at = { port: listeners[port].address.port, host: "127.0.0.1", localAddress };
  const session = http2.connect("http://127.0.0.1", { createConnection: () => net.connect(at) });
  const goaways: number[] = [];
  session.on("error", () => {}).on("goaway", (code) => goaways.push(code));
  await once(session, "remoteSettings");
  await expect.poll(() => listeners[port].connections()).toBeGreaterThan(0);
  return {
    goaways,
    session,
    /** The code of the answer to a call, or how its stream broke. */
    async call(): Promise<unknown> {
      const headers = {
        ":method": "POST",
        ":path": "/commerce.user.v1.UserService/GetUser",
        "content-type": "application/grpc",
      };
      const stream = session.request(headers).on("error", () => {});
      stream.end(Buffer.from(`00000000260a24${Buffer.from(ID).toString("hex")}`, "hex")).resume();
      const [trailers] = (await once(stream, "trailers")) as [http2.IncomingHttpHeaders];
      return trailers["grpc-status"];
    },
    closed: () => session.closed || session.destroyed,
    [Symbol.dispose]: () => session.destroy(),
  };
}

test.each(PORTS)(
  "on a full %s port the connection goes that has been idle for longest, one without a call first",
  async (port) => {
    await using listeners = await startListeners({ getUser }, { connections: { max: 3 } });
    using eldest = await openSession(listeners, port);
    using second = await openSession(listeners, port);
    using fresh = await openSession(listeners, port);
    const answers = [await eldest.call(), await second.call()];

    using third = await openSession(listeners, port);
    await expect.poll(fresh.closed).toBe(true);
    answers.push(await third.call());
    using fourth = await openSession(listeners, port);
    await expect.poll(eldest.closed).toBe(true);
    answers.push(await fourth.call(), await second.call(), await third.call());

    expect(answers).toEqual(["0", "0", "0", "0", "0", "0"]);
    expect([eldest.goaways[0], fresh.goaways[0]]).toEqual([0, 0]);
    expect(await readMetrics(listeners)).not.toContain("TOO_MANY_CONNECTIONS");
  },
);

test.each(PORTS)(
  "a call that is on its way while its connection is told to go is answered (%s)",
  async (port) => {
    await using listeners = await startListeners({ getUser }, { connections: { max: 1 } });
    using first = await openSession(listeners, port);

    const told = once(first.session, "goaway");
    const newcomer = openSession(listeners, port);
    // Before GOAWAY is read, a client sends what it has; Node's sends none once it has read it.
    const answers = Array.from({ length: 5 }, () => first.call());
    await told;
    using second = await newcomer;

    expect([...(await Promise.all(answers)), await second.call()]).toEqual(["0", "0", "0", "0", "0", "0"]);
    await expect.poll(first.closed).toBe(true);
  },
);

test.each(PORTS)(
  "only where calls run on all connections of the %s port is a newcomer refused",
  async (port) => {
    const gate = Promise.withResolvers<void>();
    const held = async () => (await gate.promise, { user: { name: "Ada" } });
    await using listeners = await startListeners({ getUser: held }, { connections: { max: 1 } });
    const client = userClient(listeners, port === "grpc" ? "gRPC listener" : "gRPC");
    const running = client.getUser({ id: ID });
    await expect.poll(() => listeners.pipeline.inFlight()).toBe(1);

    const newcomer = net.connect(listeners[port].address.port, "127.0.0.1").on("error", () => {});
    await once(newcomer, "close");
    const metrics = await readMetrics(listeners);
    gate.resolve();

    expect((await running).user!.name).toBe("Ada");
    expect(metrics).toContain(
      `rpc_server_requests_refused_total{listener="${port}",error_type="TOO_MANY_CONNECTIONS"} 1`,
    );
  },
);

test.each(PORTS)("a peer with its share of the %s port closes its own connections only", async (port) => {
  await using listeners = await startListeners({ getUser }, { connections: { peerMax: 2 } });
  using other = await openSession(listeners, port, "127.0.0.2");
  using first = await openSession(listeners, port);
  using second = await openSession(listeners, port);

  using third = await openSession(listeners, port);
  await expect.poll(first.closed).toBe(true);

  expect([other, second, third].map(({ closed }) => closed())).toEqual([false, false, false]);
});

test("however fast connections come, the port holds a bounded number of them", async () => {
  await using listeners = await startListeners({ getUser }, { connections: { max: 10 } });
  const sockets = Array.from({ length: 300 }, () =>
    net
      .connect(listeners.http.address.port, "127.0.0.1")
      .on("error", () => {})
      .resume(),
  );
  await Promise.all(sockets.map((socket) => once(socket, "connect")));
  // Whoever is accepted after all of them has been accepted last.
  using last = await openSession(listeners, "http");

  const { length } = sockets.filter(({ closed }) => !closed);
  await expect.poll(() => listeners.http.connections()).toBeLessThanOrEqual(10);

  expect([await last.call(), length]).toEqual(["0", expect.any(Number)]);
  for (const socket of sockets) socket.destroy();
});

test.each(PORTS)("a connection of the %s port that brings no call is told to go", async (port) => {
  await using listeners = await startListeners({ getUser }, { connections: { firstCallMsMax: 40 } });
  using used = await openSession(listeners, port);
  const answer = await used.call();
  using unused = await openSession(listeners, port);

  await expect.poll(unused.closed).toBe(true);

  expect([answer, unused.goaways[0], used.closed(), await used.call()]).toEqual(["0", 0, false, "0"]);
});

test.each(PORTS)("a connection of the %s port that is idle after its calls is told to go", async (port) => {
  await using listeners = await startListeners({ getUser }, { connections: { idleMsMax: 40 } });
  using used = await openSession(listeners, port);

  const answer = await used.call();
  await expect.poll(used.closed).toBe(true);

  expect([answer, used.goaways[0]]).toEqual(["0", 0]);
});

test("an idle connection over HTTP/1.1 goes for a newcomer, too", async () => {
  await using listeners = await startListeners({ getUser }, { connections: { max: 1 } });
  const { port } = listeners.http.address;
  const first = net.connect(port, "127.0.0.1");
  first.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  await once(first, "data");

  const problem = await connectTo(port);
  await once(first.resume(), "close");

  expect(problem).toBeUndefined();
});

test("each port tells how many connections it has", async () => {
  await using listeners = await startListeners({ getUser });
  using one = await openSession(listeners, "grpc");
  using two = await openSession(listeners, "grpc");

  expect([
    await one.call(),
    await two.call(),
    listeners.grpc.connections(),
    listeners.http.connections(),
  ]).toEqual(["0", "0", 2, 0]);
});

test("a request over HTTP/1.1 with too many header fields is refused in words", async () => {
  await using listeners = await startListeners({ getUser });
  const socket = net.connect(listeners.http.address.port, "127.0.0.1").setEncoding("utf8");
  const fields = (count: number): string => Array.from({ length: count }, (_, i) => `x-${i}: 1\r\n`).join("");
  let heard = "";
  socket.on("data", (text: string) => (heard += text));

  socket.write(
    `GET / HTTP/1.1\r\nhost: a\r\n${fields(127)}\r\nGET / HTTP/1.1\r\nhost: a\r\n${fields(128)}\r\n`,
  );
  await once(socket, "close");

  expect(heard.match(/HTTP\/1.1 \d+/g)).toEqual(["HTTP/1.1 404", "HTTP/1.1 431"]);
  expect(heard).toContain("HEADERS_TOO_LARGE");
});

/** The beginning of a TLS handshake, which has not all of its first record. */
const HELLO = Buffer.of(0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3);
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

test.each(
  PORTS.flatMap(
    (port) =>
      [
        [port, "nothing", Buffer.alloc(0), false],
        [port, "half a preface", PREFACE.subarray(0, 2), false],
        [port, "no settings of HTTP/2", PREFACE, false],
        [port, "half a handshake", HELLO, true],
      ] as const,
  ),
)("a connection of the %s port that says %s is closed", async (port, _, said, secure) => {
  await using stack = new AsyncDisposableStack();
  const tls = secure ? stack.use(await loadTestTls(stack)) : undefined;
  const connections = { openingMsMax: 100 };
  const listeners = stack.use(await startListeners({ getUser }, { connections, ...(tls && { tls }) }));
  const socket = net
    .connect(listeners[port].address.port, "127.0.0.1")
    .on("error", () => {})
    .resume();
  stack.defer(() => void socket.destroy());
  socket.write(said);

  await once(socket, "close");

  await expect.poll(() => listeners[port].connections()).toBe(0);
});

async function loadTestTls(stack: AsyncDisposableStack) {
  const directory = stack.use(await mkdtempDisposable(join(tmpdir(), "connections-test-")));
  const { cert, key } = createAuthority().issue("127.0.0.1");
  const files = { certFile: join(directory.path, "cert.pem"), keyFile: join(directory.path, "key.pem") };
  await Promise.all([writeFile(files.certFile, cert), writeFile(files.keyFile, key)]);
  return loadTls(files);
}
