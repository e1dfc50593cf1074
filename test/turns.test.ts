import { once } from "node:events";
import * as http2 from "node:http2";
import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { bounds } from "../src/bounds.ts";
import { createTurns } from "../src/rpc/turns.ts";
import { frame } from "./support/calls.ts";
import { startDoors } from "./support/doors.ts";

test("in each turn so many begin, of one connection after the other, each in their order", async () => {
  const turns = createTurns(3);
  const [crowd, other] = [{}, {}];
  const begun: string[] = [];
  const enter = (connection: object, name: string): void =>
    turns.enter(connection, () => begun.push(name) > 0);

  for (const name of ["a", "b", "c", "d"]) enter(crowd, name);
  for (const name of ["x", "y"]) enter(other, name);
  const counts = [begun.length];
  for (let turn = 0; turn < 3; turn++) counts.push(await setImmediate().then(() => begun.length));

  expect(begun).toEqual(["a", "x", "b", "y", "c", "d"]);
  expect(counts).toEqual([0, 3, 6, 6]);
});

test("what has nothing left to do takes no turn", async () => {
  const turns = createTurns(1);
  const begun: string[] = [];

  for (let count = 0; count < 100; count++) turns.enter(turns, () => false);
  turns.enter(turns, () => begun.push("last") > 0);
  await setImmediate();

  expect(begun).toEqual(["last"]);
});

const REQUEST = frame(Buffer.from(`0a24${Buffer.from(crypto.randomUUID()).toString("hex")}`, "hex"));

test.each(["grpc", "http"] as const)(
  "calls to the %s port that are given up in the packet which opens them never begin",
  async (port) => {
    let begun = 0;
    await using doors = await startDoors({
      async getUser() {
        begun += 1;
        return { user: { name: "Ada" } };
      },
    });
    const session = http2.connect(`http://127.0.0.1:${doors[port].address.port}`);
    await once(session, "remoteSettings");
    const path = "/commerce.user.v1.UserService/GetUser";
    const headers = { ":method": "POST", ":path": path, "content-type": "application/grpc" };
    const call = (): http2.ClientHttp2Stream => {
      const stream = session.request(headers).on("error", () => {});
      stream.end(REQUEST);
      return stream.resume();
    };

    for (let count = 0; count < bounds.callsPerTurn.max; count++)
      call().close(http2.constants.NGHTTP2_CANCEL);
    await once(call(), "close");
    session.close();

    expect(begun).toBe(1);
  },
);
