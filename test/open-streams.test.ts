import { once } from "node:events";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { replaceStreams } from "../src/rpc/open-streams.ts";

/** A server whose sessions have our collections, and a client of it. */
async function connect(onStream: (stream: http2.ServerHttp2Stream) => void) {
  const resources = new AsyncDisposableStack();
  const server = http2.createServer();
  const replaced: boolean[] = [];
  const sessions: http2.Http2Session[] = [];
  server.on("session", (session) => {
    replaced.push(replaceStreams(session));
    sessions.push(session);
  });
  server.on("stream", onStream);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  resources.defer(() => void server.close());
  const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  resources.defer(() => client.destroy());
  await once(client, "remoteSettings");
  const call = async (): Promise<number> => {
    const stream = client.request({ ":path": "/" }).resume();
    const [headers] = (await once(stream, "response")) as [http2.IncomingHttpHeaders];
    await once(stream, "close");
    return Number(headers[":status" as never]);
  };
  return { replaced, sessions, client, call, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}

test("this version of Node.js keeps the streams of sessions where they are replaced", async () => {
  await using server = await connect((stream) => stream.respond({ ":status": 204 }, { endStream: true }));

  expect(server.replaced).toEqual([true]);
  expect(await Promise.all(Array.from({ length: 50 }, server.call))).toEqual(Array(50).fill(204));
});

test("a session that closes waits for its open streams and then ends", async () => {
  const open: http2.ServerHttp2Stream[] = [];
  await using server = await connect((stream) => void open.push(stream));
  const answered = server.call();
  await expect.poll(() => open.length).toBe(1);

  server.sessions[0]!.close();
  expect(server.sessions[0]!.destroyed).toBe(false);
  open[0]!.respond({ ":status": 200 }, { endStream: true });

  expect(await answered).toBe(200);
  await expect.poll(() => server.sessions[0]!.destroyed).toBe(true);
});

test("a session that is destroyed ends its open streams", async () => {
  const open: http2.ServerHttp2Stream[] = [];
  await using server = await connect((stream) => void open.push(stream.on("error", () => {})));
  server.client.on("error", () => {});
  for (let n = 0; n < 3; n++) server.client.request({ ":path": "/" }).on("error", () => {});
  await expect.poll(() => open.length).toBe(3);

  server.sessions[0]!.destroy();

  await expect.poll(() => open.map(({ destroyed }) => destroyed)).toEqual([true, true, true]);
});
