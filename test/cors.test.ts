import { connect } from "node:http2";
import { once } from "node:events";
import { cors } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { findProblems } from "./support/problems.ts";
import { startListeners, type Listeners } from "./support/listeners.ts";

const SHOP = "https://shop.example.com";
const path = "/commerce.user.v1.UserService/GetUser";
const id = "4b8f2a8e-54f3-4c2c-9d0b-2f8f1a8f9b11";

type Answer = { readonly status: number; readonly header: (name: string) => string | null };

/** What a browser sends for a page of `origin`, over HTTP/1.1. */
async function http1(listeners: Listeners, method: string, headers: Record<string, string>): Promise<Answer> {
  const body = method === "POST" ? JSON.stringify({ id }) : null;
  const url = `http://127.0.0.1:${listeners.http.address.port}${path}`;
  const response = await fetch(url, { method, headers, body });
  await response.arrayBuffer();
  return { status: response.status, header: (name) => response.headers.get(name) };
}

/** The same over HTTP/2. */
async function http2(listeners: Listeners, method: string, headers: Record<string, string>): Promise<Answer> {
  const session = connect(`http://127.0.0.1:${listeners.http.address.port}`);
  const stream = session.request({ ":method": method, ":path": path, ...headers });
  stream.end(method === "POST" ? JSON.stringify({ id }) : undefined);
  const [answer] = (await once(stream, "response")) as [Record<string, string>];
  await once(stream.resume(), "close");
  session.close();
  return { status: Number(answer[":status"]), header: (name) => answer[name] ?? null };
}

const preflight = (origin: string): Record<string, string> => ({
  origin,
  "access-control-request-method": "POST",
  "access-control-request-headers": "authorization,connect-protocol-version,content-type",
});

const listed = (text: string | null): string[] => text?.toLowerCase().split(/, ?/) ?? [];

describe.each([
  ["HTTP/1.1", http1],
  ["HTTP/2", http2],
])("over %s", (_, send) => {
  test("a page of a listed origin may call with a token, and read errors of every protocol", async () => {
    await using listeners = await startListeners({}, { corsOrigins: ["https://b.example", SHOP] });

    const asked = await send(listeners, "OPTIONS", preflight(SHOP));
    const called = await send(listeners, "POST", { origin: SHOP, "content-type": "application/json" });

    expect(asked.status).toBe(204);
    expect(asked.header("access-control-allow-origin")).toBe(SHOP);
    expect(asked.header("access-control-allow-methods")).toBe("POST,GET");
    const allowed = listed(asked.header("access-control-allow-headers"));
    const sent = [...cors.allowedHeaders, "authorization", "traceparent", "tracestate"];
    expect(allowed).toEqual(expect.arrayContaining(sent.map((name) => name.toLowerCase())));
    expect(asked.header("access-control-max-age")).toBe("7200");
    expect(called.header("access-control-allow-origin")).toBe(SHOP);
    expect(called.header("vary")).toBe("Origin");
    const exposed = listed(called.header("access-control-expose-headers"));
    expect(exposed).toEqual([...cors.exposedHeaders, "x-request-id"].map((name) => name.toLowerCase()));
    for (const answer of [asked, called])
      expect(answer.header("access-control-allow-credentials")).toBe(null);
  });

  test.each(["https://evil.example", "http://shop.example.com", `${SHOP}.evil.example`, "null"])(
    "a page of %s gets no header",
    async (origin) => {
      await using listeners = await startListeners({}, { corsOrigins: [SHOP] });

      const asked = await send(listeners, "OPTIONS", preflight(origin));
      const called = await send(listeners, "POST", { origin, "content-type": "application/json" });

      expect(asked.status).toBe(405);
      for (const answer of [asked, called]) {
        expect(answer.header("access-control-allow-origin")).toBe(null);
        expect(answer.header("access-control-allow-headers")).toBe(null);
      }
    },
  );

  test("without a list nobody is asked for an origin; no answer is kept by a cache", async () => {
    await using listeners = await startListeners();

    const asked = await send(listeners, "OPTIONS", preflight(SHOP));
    const called = await send(listeners, "POST", { origin: SHOP, "content-type": "application/json" });

    expect([asked.status, asked.header("access-control-allow-origin")]).toEqual([405, null]);
    expect(called.header("access-control-allow-origin")).toBe(null);
    for (const answer of [asked, called]) expect(answer.header("cache-control")).toBe("no-store");
  });

  test("* allows every origin", async () => {
    await using listeners = await startListeners({}, { corsOrigins: ["*"] });

    const asked = await send(listeners, "OPTIONS", preflight("https://any.example"));

    expect(asked.header("access-control-allow-origin")).toBe("https://any.example");
  });
});

test.each(["shop.example.com", `${SHOP}/cart`, `${SHOP},,https://b.example`, `${SHOP},*`, "app://localhost"])(
  "refuses HTTP_CORS_ORIGINS=%s",
  (value) => {
    expect(findProblems({ HTTP_CORS_ORIGINS: value })).toEqual([
      "HTTP_CORS_ORIGINS: must be * or origins such as https://shop.example.com, " +
        `separated by commas and without a path, not ${JSON.stringify(value)}`,
    ]);
  },
);

test("any web page may call only a service that asks for tokens", () => {
  const tokens = { AUTH_ISSUER: "a", AUTH_AUDIENCE: "b", AUTH_KEY_FILE: "c" };

  const [open, closed] = [{}, tokens].map((env) => findProblems({ HTTP_CORS_ORIGINS: "*", ...env }));

  expect(closed).toEqual([]);
  expect(open).toEqual(["HTTP_CORS_ORIGINS: * lets any web page call, which needs AUTH_*; name the origins"]);
});
