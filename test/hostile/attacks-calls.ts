import type { Answer } from "./answers.ts";
import type { Attack } from "./attack.ts";
import { request1, toHead } from "./http1.ts";
import { compress, GET_USER, inParallel, orUnanswered, sendOnce, toBody, toFields } from "./messages.ts";
import { connectPeer, type Peer } from "./peer.ts";

const PORTS = ["grpc", "http"] as const;

const tokens: Attack = {
  name: "tokens",
  what: "calls with no token or one that is none, at full speed",
  mode: "authenticated",
  answers: [
    "UNAUTHENTICATED CREDENTIALS_MISSING",
    "UNAUTHENTICATED CREDENTIALS_MALFORMED",
    "UNAUTHENTICATED TOKEN_INVALID",
  ],
  small: { count: 32, ms: 1_000 },
  long: { count: 64, ms: 10_000 },
  async play(target, { count, ms }) {
    const end = performance.now() + ms;
    const shapes = shapesOf(target.token);
    const body = toBody("gRPC", Buffer.of());
    const answers: Answer[] = [];
    for (const port of PORTS) {
      using peer = await connectPeer(target[port]);
      const until = port === "grpc" ? end - ms / 2 : end;
      const some = await inParallel(count, (index) =>
        callUntil(peer, until, (round) => shapes[(index + round) % shapes.length], body),
      );
      answers.push(...some.flat());
    }
    return answers;
  },
};

async function callUntil(
  peer: Peer,
  end: number,
  shapeOf: (round: number) => string | undefined,
  body: Uint8Array,
): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (let round = 0; performance.now() < end && peer.isOpen(); round++) {
    const shape = shapeOf(round);
    const fields = toFields("gRPC", GET_USER);
    if (shape !== undefined) fields.push(["authorization", shape]);
    const stream = peer.open(fields);
    void stream.send(body, { end: true });
    answers.push(await orUnanswered(stream.answer, 10_000));
  }
  return answers;
}

/** What is no token, by ways in which verifiers have failed. */
function shapesOf(token: string): (string | undefined)[] {
  const [head = "", claims = "", signature = ""] = token.split(".");
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const headed = (header: object): string => `Bearer ${encode(header)}.${claims}.${signature}`;
  const basic = [
    "",
    "Bearer",
    "Bearer ",
    "Basic YTpi",
    "Bearer a",
    "Bearer a.b",
    "Bearer a.b.c",
    "Bearer ...",
    token,
  ];
  const algorithms = ["none", "None", "HS256", "HS512", "RS256", "PS256", "EdDSA", "ES512", "", "ES256\0"];
  return [
    undefined,
    ...basic,
    ...algorithms.map((alg) => headed({ alg })),
    ...[{}, { alg: 1 }, { alg: null }, { alg: "ES256", crit: ["x"] }, { alg: "ES256", b64: false }].map(
      headed,
    ),
    ...[`${head}.${claims}.`, `${head}..${signature}`, `.${claims}.${signature}`].map(
      (each) => `Bearer ${each}`,
    ),
    `Bearer ${head}.${claims}.${signature.slice(0, -4)}AAAA`,
    `Bearer ${head}.${encode({ sub: "root", exp: 2 ** 40 })}.${signature}`,
    `Bearer ${"a".repeat(4_000)}.${"b".repeat(4_000)}.${"c".repeat(100)}`,
    ...[`${token}.${token}`, `${token} ${token}`, `"${token}"`].map((each) => `Bearer ${each}`),
    `Bearer ${head}.${Buffer.from("[".repeat(4_000)).toString("base64url")}.${signature}`,
  ];
}

const getBombs: Attack = {
  name: "get-bombs",
  what: "messages in the address of a GET, compressed, over HTTP/1.1 and HTTP/2",
  mode: "open",
  answers: ["RESOURCE_EXHAUSTED *", "INVALID_ARGUMENT *"],
  small: { count: 2, ms: 5_000 },
  long: { count: 50, ms: 15_000 },
  async play({ http: port }, { count, ms }) {
    const bytes = compress(Buffer.alloc(8 * 2 ** 20, 0x20), "gzip").toString("base64url");
    const path = `${GET_USER}?connect=v1&encoding=json&base64=1&compression=gzip&message=${bytes}`;
    const fields = [
      [":method", "GET"],
      [":scheme", "http"],
      [":path", path],
      [":authority", "a"],
    ] as const;
    const both = await inParallel(count, () =>
      Promise.all([
        orUnanswered(request1(port, toHead("GET", path, [])), ms),
        sendOnce(port, fields, Buffer.of(), ms),
      ]),
    );
    return both.flat();
  },
};

const second: Attack = {
  name: "second-message",
  what: "a second message on a call that takes one",
  mode: "open",
  answers: ["INVALID_ARGUMENT *", "UNIMPLEMENTED *", "RESOURCE_EXHAUSTED *"],
  small: { count: 5, ms: 3_000 },
  long: { count: 200, ms: 15_000 },
  play: async (target, { count, ms }) => {
    const message = toBody("gRPC", Buffer.concat([Buffer.of(0x0a, 36), Buffer.from(target.user.id)]));
    const calls = PORTS.map((port) =>
      inParallel(count, () =>
        sendOnce(target[port], toFields("gRPC", GET_USER), Buffer.concat([message, message]), ms),
      ),
    );
    return (await Promise.all(calls)).flat();
  },
};

/** Calls that are refused for what they say. */
export const calls: readonly Attack[] = [tokens, getBombs, second];
