import { expect, test, vi } from "vitest";
import { bounds } from "../src/bounds.ts";
import { toLogFields } from "../src/telemetry/error-info.ts";
import { createUnreadAnswers } from "../src/rpc/unread.ts";
import { PROTOCOLS, startListeners } from "./support/listeners.ts";
import { bindStreams, streamsClient } from "./support/streams.ts";

test.each(PROTOCOLS)(
  "a stream of more bytes than may wait unread is read to its end over %s",
  async (protocol) => {
    const name = "x".repeat(1_000_000);
    const count = bounds.unreadBytes.max / name.length + 10;
    async function* tell() {
      for (let n = 0; n < count; n++) yield { user: { name } };
    }
    await using listeners = await startListeners(
      {},
      { bindings: [bindStreams({ tell })], calls: { messageBytesMax: 1 << 22 } },
    );

    let read = 0;
    const id = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
    for await (const { user } of streamsClient(listeners, protocol).tell({ id })) read += user!.name.length;

    expect(read).toBeGreaterThan(bounds.unreadBytes.max);
  },
);

test("a connection leaves as much unread as it leaves to others, and what it takes makes room", () => {
  const unread = createUnreadAnswers(() => {});
  const [greedy, other] = [{}, {}];
  const half = bounds.unreadBytes.max / 2;

  const first = unread.hold(greedy, half, () => {})!;
  const second = unread.hold(greedy, half / 2, () => {});
  const others = unread.hold(other, half / 2, () => {})!;
  for (const answer of [first, first, others]) unread.release(answer);
  const again = unread.hold(greedy, half, () => {});

  expect([second, again === undefined]).toEqual([undefined, false]);
});

test("an answer that stays unread for too long is cut, and one that is taken is not", () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  const refused: unknown[] = [];
  const cut: string[] = [];
  const unread = createUnreadAnswers((error) => refused.push(toLogFields(error)));
  const taken = unread.hold({}, 1, () => cut.push("taken"))!;
  unread.hold({}, 1, () => cut.push("left"));

  unread.release(taken);
  vi.advanceTimersByTime(2 * bounds.unreadMs.max);
  vi.useRealTimers();

  expect(cut).toEqual(["left"]);
  expect(refused).toEqual([{ reason: "UNREAD_TOO_LONG" }]);
});
