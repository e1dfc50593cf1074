import { once } from "node:events";
import * as http from "node:http";
import { expect, test } from "vitest";
import { bounds } from "../src/bounds.ts";
import { decompressedBytesMax } from "../src/rpc/decompression.ts";
import { createPieceCount } from "../src/rpc/frames.ts";
import { type Listeners, startListeners } from "./support/listeners.ts";

const GET_USER = "/commerce.user.v1.UserService/GetUser";
const start = () => startListeners({ getUser: async () => ({}) }, { calls: { messageBytesMax: 1_024 } });

/** The reason of an answer to a request, of which so much is sent. */
async function reasonOf(
  listeners: Listeners,
  { path = GET_USER, method = "POST", headers = {}, body = "" },
): Promise<string | undefined> {
  const { port } = listeners.http.address;
  const request = http.request({
    port,
    path,
    method,
    headers: { "content-type": "application/json", ...headers },
  });
  request.on("error", () => {});
  request.flushHeaders();
  request.write(body);
  const [response] = (await once(request, "response")) as [http.IncomingMessage];
  const answer = JSON.parse(Buffer.concat(await response.toArray()).toString()) as {
    details?: readonly { debug?: { reason?: string } }[];
  };
  request.destroy();
  return answer.details?.[0]?.debug?.reason;
}

test("a body that is announced as larger than its method takes is refused before it comes", async () => {
  await using listeners = await start();

  const reason = await reasonOf(listeners, { headers: { "content-length": "1025" } });

  expect(reason).toBe("MESSAGE_TOO_LARGE");
});

test("a body without an announced length is refused as soon as it is too large", async () => {
  await using listeners = await start();

  const reason = await reasonOf(listeners, { body: " ".repeat(1_025) });

  expect(reason).toBe("MESSAGE_TOO_LARGE");
});

test("the message of a GET is as large as that of a POST at most", async () => {
  await using listeners = await start();
  const message = encodeURIComponent(JSON.stringify({ id: "x".repeat(1_025) }));

  const reason = await reasonOf(listeners, {
    method: "GET",
    path: `${GET_USER}?encoding=json&message=${message}`,
  });

  expect(reason).toBe("MESSAGE_TOO_LARGE");
});

test("a request arrives in 1,024 pieces, and in one more for each 32 bytes", () => {
  const [count, countLarge] = [createPieceCount(), createPieceCount()];
  const { max } = bounds.pieces;

  const small = Array.from({ length: 2 * max }, () => count(Buffer.alloc(1)));
  const large = Array.from({ length: 2 * max }, () => countLarge(Buffer.alloc(32)));

  expect(small.findIndex((refusal) => refusal !== undefined)).toBe(Math.floor(max / (1 - 1 / 32)));
  expect(small.at(-1)).toMatchObject({ kind: "exhausted", reason: "TOO_MANY_PIECES" });
  expect(large.every((refusal) => refusal === undefined)).toBe(true);
});

test("a compressed message grows a hundred times, or to a MiB, and never above what its method takes", () => {
  const mebi = 2 ** 20;

  expect(decompressedBytesMax(1_000, 16 * mebi)).toBe(mebi);
  expect(decompressedBytesMax(100_000, 16 * mebi)).toBe(10_000_000);
  expect(decompressedBytesMax(100_000, 4 * mebi)).toBe(4 * mebi);
});
