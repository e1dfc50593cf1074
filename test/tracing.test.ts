import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { trace } from "@opentelemetry/api";
import { afterAll, expect, test } from "vitest";
import { startMain, toUrl } from "./support/main.ts";
import { startScratch } from "./support/scratch.ts";
import { openTelemetry, tracesTo } from "./support/telemetry.ts";

const scratch = await startScratch();
afterAll(() => scratch[Symbol.asyncDispose]());

/** Where nothing listens. */
const away = "http://127.0.0.1:1";

const answers: readonly (readonly [string, RequestListener | undefined])[] = [
  ["is away", undefined],
  ["never answers", () => {}],
  ["drips", (_request, response) => drip(response.writeHead(200))],
  ["answers 404", (_request, response) => response.writeHead(404).end()],
  ["answers 429 and asks for patience", (_request, response) => refuse(response, 429)],
  ["answers 503 and asks for patience", (_request, response) => refuse(response, 503)],
];

test.each(answers)(
  "a collector that %s changes nothing of a stop but a line in the log",
  async (_how, answer) => {
    await using collector = answer && (await startCollector(answer));
    await using service = startMain({
      DATABASE_URL: toUrl(await scratch.createDatabase()),
      OTEL_EXPORTER_OTLP_ENDPOINT: collector?.url ?? away,
      LOG_LEVEL: "warn",
    });
    const text = await service.printed("Try:");
    const http = /JSON +(http\S+)/.exec(text)![1]!;
    await fetch(`${http}/commerce.user.v1.UserService/ListUsers`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{}",
    });

    service.signal("SIGTERM");
    const { code, stdout, stderr } = await service.ended;

    expect([code, stdout]).toEqual([0, expect.stringMatching(/\nstopped\n$/)]);
    expect(stderr.trim().split("\n")).toEqual([
      expect.stringMatching(/"level":"warn".*"msg":"traces cannot be sent to the collector"/),
    ]);
  },
);

test("a collector that refuses every batch leaves one line in the log, not one for each", async () => {
  await using collector = await startCollector((_request, response) => response.writeHead(404).end());
  const { lines, telemetry } = await openTelemetry({ logLevel: "warn", traces: tracesTo(collector.url) });

  const tracer = trace.getTracer("test");
  for (let spans = 0; spans < 2_000; spans++) tracer.startSpan("span").end();
  await telemetry[Symbol.asyncDispose]();

  expect(collector.requests).toBeGreaterThan(1);
  expect(lines).toEqual([
    expect.objectContaining({ msg: "traces cannot be sent to the collector", reason: "Not Found (404)" }),
  ]);
});

async function startCollector(answer: RequestListener) {
  let requests = 0;
  const server = createServer((request, response) => {
    requests++;
    answer(request.resume(), response);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get requests() {
      return requests;
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

type Response = Parameters<RequestListener>[1];

/** A byte now and then, so that the connection is never idle and the answer never whole. */
function drip(response: Response): void {
  const timer = setInterval(() => response.write(" "), 100);
  response.on("close", () => clearInterval(timer));
}

function refuse(response: Response, status: number): void {
  response.writeHead(status, { "retry-after": "1" }).end();
}
