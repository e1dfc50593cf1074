import { once } from "node:events";
import * as net from "node:net";
import { expect, test } from "vitest";
import { sniffProtocol } from "../src/rpc/sniff.ts";

test.each([
  ["http/1.1", "GET / HTTP/1.1\r\n"],
  ["http/1.1", "POST / HTTP/1.1\r\n"],
  ["http/1.1", "PROPFIND / HTTP/1.1\r\n"],
  ["h2", "PRI * HTTP/2.0\r\n"],
  ["tls", "\x16\x03\x01\x02\x00"],
])("hears %s in %j, though its bytes come one by one, and takes none of them", async (protocol, said) => {
  await using pair = await connect();
  const heard = Promise.withResolvers<unknown>();
  sniffProtocol(pair.server, heard.resolve);

  for (const [i, byte] of Buffer.from(said).entries()) {
    pair.client.write(Uint8Array.of(byte));
    await expect.poll(() => pair.server.bytesRead, { interval: 1 }).toBe(i + 1);
  }

  expect(await heard.promise).toBe(protocol);
  expect(String(pair.server.read(said.length))).toBe(said);
});

test("gives up on who says nothing", async () => {
  await using pair = await connect();
  const heard = Promise.withResolvers<unknown>();

  sniffProtocol(pair.server, heard.resolve, 20);

  expect(await heard.promise).toBeUndefined();
  expect(pair.server.destroyed).toBe(true);
});

test("gives up on who leaves before it has said enough", async () => {
  await using pair = await connect();
  const heard = Promise.withResolvers<unknown>();

  sniffProtocol(pair.server, heard.resolve);
  pair.client.end("PR");

  expect(await heard.promise).toBeUndefined();
});

/** The two ends of a connection. */
async function connect() {
  const listener = net.createServer({ allowHalfOpen: true }).listen(0, "127.0.0.1");
  await once(listener, "listening");
  const client = net.connect((listener.address() as net.AddressInfo).port, "127.0.0.1").setNoDelay();
  const [server] = (await once(listener, "connection")) as [net.Socket];
  return {
    client,
    server,
    async [Symbol.asyncDispose]() {
      client.destroy();
      server.destroy();
      listener.close();
    },
  };
}
