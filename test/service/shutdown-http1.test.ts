import { once } from "node:events";
import { Agent, type IncomingMessage, request as requestHttp } from "node:http";
import * as net from "node:net";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { connectTo } from "../support/calls.ts";
import { openShop, type Shop } from "../support/shop.ts";

test.each([0, 1_000])(
  "stop() loses no call of busy callers that keep HTTP/1.1 connections (a drain of %i ms)",
  async (drainMs) => {
    await using shop = await openShop({ shutdown: { drainMs } });
    const { id } = await shop.user();
    let answered = 0;
    const callUntilSentAway = async (): Promise<Outcome> => {
      await using agent = createAgent();
      for (;;) {
        const outcome = await postJson(shop, agent, "commerce.user.v1.UserService/GetUser", { id });
        if (outcome.status !== 200 || outcome.connection === "close") return outcome;
        answered += 1;
      }
    };

    const callers = Array.from({ length: 30 }, callUntilSentAway);
    await expect.poll(() => answered).toBeGreaterThan(300);
    const [finished, ...outcomes] = await Promise.all([shop.server.stop(), ...callers]);

    expect(finished).toBe(true);
    expect(outcomes).toEqual(Array.from({ length: 30 }, () => ({ status: 200, connection: "close" })));
  },
);

test("an answer over HTTP/1.1 says from the beginning of the drain that its connection closes", async () => {
  await using shop = await openShop({ shutdown: { drainMs: 5_000 } });
  await using agent = createAgent();
  const list = () => postJson(shop, agent, "commerce.user.v1.UserService/ListUsers", {});
  const before = await list();

  const stopping = shop.server.stop();
  const during = await list();
  await stopping;

  expect([before.connection, during.connection]).toEqual(["keep-alive", "close"]);
});

test("stop() serves a connection over HTTP/1.1 on which nothing has been said yet", async () => {
  await using shop = await openShop();
  const socket = net.connect(shop.server.http.port, "127.0.0.1");
  await once(socket, "connect");
  const said = text(socket);

  const stopping = shop.server.stop();
  await expect.poll(() => connectTo(shop.server.http.port)).toBe("ECONNREFUSED");
  socket.write(
    "POST /commerce.user.v1.UserService/ListUsers HTTP/1.1\r\nHost: x\r\n" +
      "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
  );

  expect(await said).toMatch(/^HTTP\/1\.1 200 OK\r\n(?:.*\r\n)*connection: close\r\n/i);
  expect(await stopping).toBe(true);
});

/** Connections that are kept for the next call, one at a time. */
function createAgent() {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return Object.assign(agent, { [Symbol.asyncDispose]: async () => agent.destroy() });
}

/** What became of a call by JSON. */
type Outcome = {
  readonly status?: number | undefined;
  readonly connection?: string | undefined;
  readonly problem?: string | undefined;
};

async function postJson(shop: Shop, agent: Agent, path: string, body: object): Promise<Outcome> {
  const headers = { "content-type": "application/json" };
  const request = requestHttp(`${shop.httpUrl}/${path}`, { method: "POST", agent, headers });
  request.end(JSON.stringify(body));
  try {
    const [response] = (await once(request, "response")) as [IncomingMessage];
    await text(response);
    return { status: response.statusCode, connection: response.headers.connection };
  } catch (error) {
    return { problem: (error as NodeJS.ErrnoException).code };
  }
}
