import type { Answer } from "./answers.ts";
import type { Attack, Form } from "./attack.ts";
import {
  GET_USER,
  IMPORT_ORDERS,
  INGEST_ORDERS,
  inParallel,
  orUnanswered,
  portOf,
  type Said,
  toFields,
  toPrefix,
  type Way,
  WAYS,
} from "./messages.ts";
import { connectPeer, type Stream } from "./peer.ts";
import { connectLine, readAnswer, toChunks, toHead } from "./http1.ts";
import type { Target } from "./target.ts";

const MEBI = 2 ** 20;
/** Of streams above the bound of a connection. */
const REFUSED = "RST_STREAM REFUSED_STREAM";
const DEADLINE = "DEADLINE_EXCEEDED DEADLINE_EXCEEDED";
const TOO_LARGE = "RESOURCE_EXHAUSTED MESSAGE_TOO_LARGE";
/** What is refused for what others hold. */
const EXHAUSTED = "RESOURCE_EXHAUSTED *";
/** A caller that sends too slowly for its own deadline is told so after this time. */
const TIMEOUT_MS = 500;

/** Fills each stream with its part of a message that is announced and never comes to its end. */
const hold = async (stream: Stream, announced: number, sent: Uint8Array): Promise<void> => {
  await stream.send(toPrefix(announced));
  await stream.send(sent);
};

type Unfinished = Pick<Attack, "name" | "mode" | "what" | "answers"> & {
  readonly ways: readonly Way[];
  readonly method: string;
  readonly connections: number;
  readonly said?: Said;
};

/** Streams that each hold 15 MiB of a message of 16 MiB, spread over connections. */
function unfinished({ ways, method, connections, said, ...rest }: Unfinished): Attack {
  const play = async (target: Target, { count, ms }: Form): Promise<Answer[]> => {
    const most = Buffer.alloc(15 * MEBI);
    const waited: Answer[] = [];
    for (const way of ways) {
      using stack = new DisposableStack();
      const peers = await inParallel(connections, async () =>
        stack.use(await connectPeer(portOf(target, way))),
      );
      const answers = await inParallel(count, async (index) => {
        const stream = peers[index % connections]!.open(toFields(way, method, said));
        void hold(stream, 16 * MEBI - 1, most);
        return orUnanswered(stream.answer, ms);
      });
      waited.push(...answers);
      if (target.ended() !== undefined) break;
    }
    return waited;
  };
  return { ...rest, small: { count: 64, ms: 2_500 }, long: { count: 200, ms: 15_000 }, play };
}

/** One-byte pieces of a message that does not end: frames of DATA, or chunks of HTTP/1.1. */
function pieces(way: Way, method: string): Attack {
  const play = async (target: Target, { count, ms }: Form): Promise<Answer[]> => {
    using peer = await connectPeer(portOf(target, way));
    const said = { token: target.token, timeoutMs: Math.max(TIMEOUT_MS, ms / 10) };
    const stream = peer.open(toFields(way, method, said));
    if (WAYS[way].prefixed) await stream.send(toPrefix(count + 1));
    void stream.send(Buffer.alloc(count, 1), { frameBytes: 1 });
    return [await orUnanswered(stream.answer, ms)];
  };
  return {
    name: `pieces-${way.toLowerCase().replaceAll(/\W+/g, "-")}`,
    what: `a message in pieces of one byte to ${method.split("/").at(-1)}, by ${way}`,
    mode: "authenticated",
    answers: [DEADLINE, EXHAUSTED, REFUSED],
    small: { count: 100_000, ms: 3_000 },
    long: { count: 650_000, ms: 30_000 },
    play,
  };
}

const pieces1: Attack = {
  name: "pieces-http1",
  what: "a message in chunks of one byte to ImportOrders, over HTTP/1.1",
  mode: "authenticated",
  answers: [DEADLINE, EXHAUSTED, REFUSED],
  small: { count: 100_000, ms: 3_000 },
  long: { count: 650_000, ms: 30_000 },
  async play(target, { count, ms }) {
    using line = await connectLine(target.http);
    const head = toHead("POST", IMPORT_ORDERS, [
      ["content-type", "application/connect+proto"],
      ["authorization", `Bearer ${target.token}`],
      ["connect-timeout-ms", String(Math.max(TIMEOUT_MS, ms / 10))],
      ["transfer-encoding", "chunked"],
    ]);
    await line.write(head);
    await line.write(toChunks(toPrefix(count + 1), 5));
    await line.write(toChunks(Buffer.alloc(count, 1), 1));
    return [await orUnanswered(line.closed.then(readAnswer), ms)];
  },
};

/** Bodies that go on, a byte at a time, long after the caller's own deadline. */
function slow(way: Way): Attack {
  const play = async (target: Target, { count, ms }: Form): Promise<Answer[]> => {
    using peer = await connectPeer(portOf(target, way));
    const streams = Array.from({ length: count }, () => {
      const stream = peer.open(toFields(way, GET_USER, { timeoutMs: TIMEOUT_MS }));
      if (WAYS[way].prefixed) void stream.send(toPrefix(38));
      return stream;
    });
    const drip = setInterval(() => {
      for (const stream of streams) void stream.send(Buffer.of(0x0a));
    }, 250);
    const answers = await Promise.all(streams.map(({ answer }) => orUnanswered(answer, ms)));
    clearInterval(drip);
    return answers;
  };
  return {
    name: `slow-bodies-${way.toLowerCase().replaceAll(/\W+/g, "-")}`,
    what: `bodies of GetUser that come by the byte and never end, by ${way}`,
    mode: "open",
    answers: [DEADLINE, EXHAUSTED, REFUSED],
    small: { count: 50, ms: 2_000 },
    long: { count: 250, ms: 15_000 },
    play,
  };
}

/** A prefix that announces the most that fits, of which a few bytes come. */
const prefixes: Attack = {
  name: "huge-prefixes",
  what: "messages that announce 4 GiB, by each way with prefixes",
  mode: "open",
  answers: [TOO_LARGE, REFUSED],
  small: { count: 5, ms: 3_000 },
  long: { count: 200, ms: 15_000 },
  async play(target, { count, ms }) {
    const answers: Answer[] = [];
    for (const way of ["gRPC port", "gRPC", "gRPC-Web"] as const) {
      using peer = await connectPeer(portOf(target, way));
      answers.push(
        ...(await inParallel(count, async () => {
          const stream = peer.open(toFields(way, GET_USER));
          void hold(stream, 2 ** 32 - 1, Buffer.alloc(100));
          return orUnanswered(stream.answer, ms);
        })),
      );
    }
    return answers;
  },
};

const ONE = ["gRPC port"] as const;
const BOTH = ["gRPC port", "gRPC"] as const;

export const receipts: readonly Attack[] = [
  unfinished({
    name: "unfinished-messages",
    what: "15 of announced 16 MiB to GetUser on one connection of each port",
    mode: "open",
    ways: BOTH,
    method: GET_USER,
    connections: 1,
    answers: [TOO_LARGE, EXHAUSTED, REFUSED],
  }),
  unfinished({
    name: "unfinished-messages-without-token",
    what: "15 of announced 16 MiB to ImportOrders without a token, on eight connections of each port",
    mode: "authenticated",
    ways: BOTH,
    method: IMPORT_ORDERS,
    connections: 8,
    answers: ["UNAUTHENTICATED CREDENTIALS_MISSING"],
  }),
  unfinished({
    name: "unfinished-imports",
    what: "15 of announced 16 MiB to ImportOrders on one connection of each port",
    mode: "open",
    ways: BOTH,
    method: IMPORT_ORDERS,
    connections: 1,
    said: { timeoutMs: TIMEOUT_MS },
    answers: [DEADLINE, EXHAUSTED, REFUSED],
  }),
  unfinished({
    name: "unfinished-imports-on-many",
    what: "15 of announced 16 MiB to ImportOrders on eight connections",
    mode: "open",
    ways: ONE,
    method: IMPORT_ORDERS,
    connections: 8,
    said: { timeoutMs: TIMEOUT_MS },
    answers: [DEADLINE, EXHAUSTED, REFUSED],
  }),
  unfinished({
    name: "unfinished-ingest",
    what: "15 of announced 16 MiB to IngestOrders on eight connections of each port",
    mode: "open",
    ways: BOTH,
    method: INGEST_ORDERS,
    connections: 8,
    answers: [TOO_LARGE, EXHAUSTED, REFUSED],
  }),
  pieces("gRPC port", IMPORT_ORDERS),
  pieces("gRPC", IMPORT_ORDERS),
  pieces("gRPC-Web", IMPORT_ORDERS),
  pieces("Connect stream", IMPORT_ORDERS),
  pieces("Connect", "/commerce.order.v1.OrderService/CreateOrder"),
  pieces("JSON", "/commerce.order.v1.OrderService/CreateOrder"),
  pieces1,
  slow("gRPC port"),
  slow("gRPC"),
  slow("Connect"),
  prefixes,
];
