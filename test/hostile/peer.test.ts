import { once } from "node:events";
import * as http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { FRAME, toFrame } from "./frames.ts";
import { connectPeer } from "./peer.ts";

const PRINTABLE = String.fromCharCode(...Array.from({ length: 95 }, (_, index) => 32 + index));

/** A server of Node, which answers with the headers, the body and the trailers. */
async function serve(headers: http2.OutgoingHttpHeaders, body: string, trailers: http2.OutgoingHttpHeaders) {
  const server = http2.createServer().listen(0, "127.0.0.1");
  server.on("stream", (stream) => {
    stream.respond({ ":status": 200, ...headers }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers(trailers));
    stream.resume().once("end", () => stream.end(body));
  });
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

const request = [
  [":method", "POST"],
  [":scheme", "http"],
  [":path", "/"],
  [":authority", "a"],
] as const;

test("reads what Node's HTTP/2 writes: names of the static table, Huffman's code, trailers", async () => {
  const headers = { "content-type": "application/grpc", "access-control-allow-origin": "*", age: "1" };
  const trailers = { "grpc-status": "0", "x-printable": `a${PRINTABLE}a`, vary: "te", via: "x" };
  using peer = await connectPeer(await serve(headers, "body", trailers));
  const stream = peer.open(request);
  await stream.send(Buffer.alloc(200_000), { end: true });

  const answer = await stream.answer;

  const { fields, body } = stream.received();
  const { date, ...others } = Object.fromEntries(fields);
  expect([answer, body.toString(), others]).toEqual([
    "OK",
    "body",
    { ":status": "200", ...headers, ...trailers },
  ]);
  expect(Date.parse(date!)).toBeGreaterThan(0);
});

test("tells how a stream and a connection end that are not answered", async () => {
  const server = http2.createServer().listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  server.on("stream", (stream) => {
    stream.on("error", () => {});
    stream.close(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM);
  });
  server.on("session", (session) => {
    session.once("ping", () => session.close());
  });
  await once(server, "listening");
  using peer = await connectPeer((server.address() as AddressInfo).port);

  const answer = await peer.open(request).answer;
  await peer.write(toFrame(FRAME.ping, 0, 0, Buffer.alloc(8)));

  expect([answer, await peer.closed]).toEqual(["RST_STREAM ENHANCE_YOUR_CALM", "GOAWAY NO_ERROR"]);
});
