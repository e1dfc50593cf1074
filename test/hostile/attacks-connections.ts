import * as http from "node:http";
import type { Answer } from "./answers.ts";
import type { Attack } from "./attack.ts";
import { FRAME, toFrame, toSettings } from "./frames.ts";
import { encodeFields } from "./hpack.ts";
import { connectLine, readAnswer } from "./http1.ts";
import { GET_USER, inParallel, orUnanswered, toFields } from "./messages.ts";
import type { Target } from "./target.ts";

const PORTS = ["grpc", "http"] as const;
const opening = encodeFields(toFields("gRPC", GET_USER));

/** Connections that begin something and then say no more. */
function silent(name: string, what: string, mode: "open" | "tls", begin: string | Uint8Array): Attack {
  return {
    name,
    what: `connections with ${what}, on both ports`,
    mode,
    answers: ["CLOSED", "OK", "DEADLINE_EXCEEDED REQUEST_TIMEOUT", "RESOURCE_EXHAUSTED *", "UNIMPLEMENTED *"],
    endsByTimeout: true,
    small: { count: 300, ms: 200 },
    long: { count: 2_000, ms: 25_000 },
    async play(target, { count, ms }) {
      using stack = new DisposableStack();
      const lines = await inParallel(count, async (index) =>
        stack.use(await connectLine(target[PORTS[index % 2]!])),
      );
      if (begin.length > 0) await Promise.all(lines.map((line) => line.write(begin)));
      return await Promise.all(lines.map(({ closed }) => orUnanswered(closed.then(readEnd), ms)));
    },
  };
}
const readEnd = (bytes: Buffer): Answer =>
  bytes.subarray(0, 5).toString("latin1") === "HTTP/" ? readAnswer(bytes) : "CLOSED";

/** The record of a ClientHello of 512 bytes, of which the first come. */
const HALF_HELLO = Buffer.concat([Buffer.from("1603010200010001fc0303", "hex"), Buffer.alloc(32, 7)]);
const PREFACE_ONLY = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const metrics: Attack = {
  name: "metrics",
  what: "/metrics, a hundred times at once",
  mode: "open",
  answers: ["HTTP 200", "HTTP 503", "HTTP 429"],
  small: { count: 100, ms: 500 },
  long: { count: 100, ms: 10_000 },
  async play(target, { count, ms }) {
    const end = performance.now() + ms;
    const answers = await inParallel(count, async () => {
      const own: Answer[] = [];
      while (performance.now() < end && target.ended() === undefined) own.push(await scrape(target));
      return own;
    });
    return answers.flat();
  },
};

function scrape({ admin }: Target): Promise<Answer> {
  return new Promise((resolve) => {
    const url = { host: "127.0.0.1", port: admin, path: "/metrics" };
    http
      .get(url, (response) => {
        response.resume().once("end", () => resolve(`HTTP ${response.statusCode}`));
      })
      .once("error", () => resolve("CLOSED"));
  });
}

export const connections: readonly Attack[] = [
  silent("silent-connections", "nothing said", "open", ""),
  silent("half-heads", "half a header of HTTP/1.1", "open", "POST /x HTTP/1.1\r\nhost: a\r\nx-half: "),
  silent("half-prefaces", "half the preface of HTTP/2", "open", PREFACE_ONLY.slice(0, 12)),
  silent(
    "half-headers",
    "half a header of HTTP/2",
    "open",
    Buffer.concat([Buffer.from(PREFACE_ONLY), toSettings([]), toFrame(FRAME.headers, 0, 1, opening)]),
  ),
  silent("half-handshakes", "half a handshake of TLS", "tls", HALF_HELLO),
  metrics,
];
