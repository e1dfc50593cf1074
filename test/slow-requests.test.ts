import { once } from "node:events";
import * as net from "node:net";
import { expect, test } from "vitest";
import { startListeners } from "./support/listeners.ts";

const GET_USER = "POST /commerce.user.v1.UserService/GetUser HTTP/1.1\r\nhost: a\r\n";

/** What a port answers to a beginning, until it closes the connection. */
async function answerTo(port: number, beginning: string): Promise<string> {
  const socket = net.connect(port, "127.0.0.1");
  const answer = socket.toArray() as Promise<Buffer[]>;
  socket.write(beginning);
  return Buffer.concat(await answer).toString();
}

// Node's own times, which nothing can shorten: the test takes as long as they do.
test("headers over HTTP/1.1 that do not arrive within ten seconds are refused in words, on both ports that speak it", async () => {
  await using listeners = await startListeners();
  const startMs = performance.now();

  const answers = await Promise.all(
    [listeners.http, listeners.admin].map(({ address }) => answerTo(address.port, GET_USER)),
  );

  expect(performance.now() - startMs).toBeGreaterThan(9_900);
  expect(answers[0]).toMatch(/^HTTP\/1\.1 408 [^]*"REQUEST_TIMEOUT"/);
  // The admin port closes what does not move.
  expect(answers[1]).toBe("");
});

test("an answer over HTTP/1.1 says for how long its connection may be idle", async () => {
  await using listeners = await startListeners({ getUser: async () => ({}) });
  const socket = net.connect(listeners.http.address.port, "127.0.0.1");
  const body = '{"id":"7c9e6679-7425-40de-944b-e07fc1f90ae7"}';
  const fields = `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`;
  socket.write(`${GET_USER}${fields}${body}`);
  const [answer] = (await once(socket, "data")) as [Buffer];
  socket.destroy();

  expect(answer.toString()).toMatch(/^HTTP\/1\.1 200 [^]*\r\nKeep-Alive: timeout=300\r\n/i);
});
