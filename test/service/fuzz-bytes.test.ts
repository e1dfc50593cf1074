import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { isSaid } from "../hostile/answers.ts";
import { FRAME, toFrame, toHeaders } from "../hostile/frames.ts";
import { connectLine, readAnswer, toHead } from "../hostile/http1.ts";
import type { Field } from "../hostile/hpack.ts";
import { CREATE_ORDER, GET_USER, IMPORT_ORDERS, orUnanswered, toFields } from "../hostile/messages.ts";
import { connectPeer } from "../hostile/peer.ts";
import { openShop } from "../support/shop.ts";

const shop = await openShop();
afterAll(() => shop[Symbol.asyncDispose]());
const user = await shop.user();

/** FUZZ_RUNS sets another number, for hours where there are some. */
const RUNS = Number(process.env["FUZZ_RUNS"] ?? 100);
const TIMEOUT_MS = 60_000 + RUNS * 100;
/** Far more than an answer takes. */
const HANG_MS = 20_000;

const ports = fc.constantFrom("grpc" as const, "http" as const);
const paths = fc.constantFrom(GET_USER, CREATE_ORDER, IMPORT_ORDERS, "/", "/nobody", "*", "http://a/b", "//");
const visible = fc.stringMatching(/^[!-~]{0,20}$/);

test(
  "requests of HTTP/1.1 are answered whatever they are, with a code that is no fault of ours",
  async () => {
    const fields = fc.array(
      fc.tuple(
        fc.constantFrom(
          "content-type",
          "content-encoding",
          "accept-encoding",
          "connect-timeout-ms",
          "te",
          "x",
        ),
        fc.oneof(
          visible,
          fc.constantFrom("application/json", "application/proto", "gzip", "br", "application/grpc-web"),
        ),
      ),
      { maxLength: 4 },
    );
    const query = fc.oneof(
      fc.constant(""),
      fc
        .record(
          {
            encoding: fc.constantFrom("json", "proto", "x"),
            message: fc.oneof(fc.base64String(), fc.json(), visible),
            base64: fc.constantFrom("0", "1"),
            compression: fc.constantFrom("gzip", "br", "identity", ""),
            connect: fc.constantFrom("v1", "v2"),
          },
          { requiredKeys: [] },
        )
        .map((each) => `?${new URLSearchParams(each as Record<string, string>).toString()}`),
    );
    // A message that is no base64 is the caller's fault.
    const noBase64 = "?encoding=json&message=%7B%7D&base64=1";
    const verbs = fc.constantFrom("GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH");

    await fc.assert(
      fc.asyncProperty(verbs, paths, query, fields, fc.uint8Array(), async (verb, path, words, own, body) => {
        using line = await connectLine(shop.server.http.port);
        const length: Field = ["content-length", String(body.length)];
        await line.write(toHead(verb, path + words, [...(own as Field[]), length]));
        await line.write(body);

        const answer = await orUnanswered(line.closed.then(readAnswer), HANG_MS);

        // HEAD and what is answered by status alone have no body to say more.
        expect(answer).toSatisfy((each: string) => verb === "HEAD" || isSaid(each));
        expect(answer).not.toMatch(/^(INTERNAL|UNKNOWN|DATA_LOSS|UNANSWERED|CLOSED|HTTP 5(?!0[15]))/);
      }),
      { numRuns: RUNS, examples: [["GET", GET_USER, noBase64, [], new Uint8Array()]] },
    );
    expect((await shop.users.getUser({ id: user.id })).user).toEqual(user);
  },
  TIMEOUT_MS,
);

test(
  "bytes that are no protocol end their connection and nothing else",
  async () => {
    const begin = fc.constantFrom(
      "",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
      "GET / HTTP/1.1\r\n",
      "\x16\x03\x01",
      "POST",
    );

    await fc.assert(
      fc.asyncProperty(
        ports,
        begin,
        fc.uint8Array({ minLength: 1, maxLength: 400 }),
        async (port, start, rest) => {
          using line = await connectLine(shop.server[port].port);
          await line.write(Buffer.concat([Buffer.from(start, "latin1"), rest]));
          await orUnanswered(
            line.closed.then(() => "CLOSED"),
            5,
          );
        },
      ),
      { numRuns: RUNS },
    );
    expect((await shop.users.getUser({ id: user.id })).user).toEqual(user);
  },
  TIMEOUT_MS,
);

test(
  "frames in any order end their connection, or are answered, and nothing else",
  async () => {
    const frame = fc.tuple(
      fc.oneof(fc.constantFrom(...Object.values(FRAME)), fc.nat(255)),
      fc.oneof(fc.constantFrom(0, 1, 4, 5, 8, 32), fc.nat(255)),
      fc.oneof(fc.constantFrom(0, 1, 3), fc.nat(2 ** 31 - 1)),
      fc.uint8Array({ maxLength: 60 }),
    );

    await fc.assert(
      fc.asyncProperty(ports, fc.array(frame, { minLength: 1, maxLength: 20 }), async (port, frames) => {
        using peer = await connectPeer(shop.server[port].port);
        const call = toHeaders(1, toFields("gRPC", GET_USER));
        const others = frames.map(([type, flags, id, payload]) => toFrame(type, flags, id, payload));
        await peer.write(Buffer.concat([call, ...others]));
        await orUnanswered(peer.closed, 5);
      }),
      { numRuns: RUNS },
    );
    expect((await shop.users.getUser({ id: user.id })).user).toEqual(user);
  },
  TIMEOUT_MS,
);
