import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { exportJWK } from "jose";
import { afterAll, beforeAll, expect, test } from "vitest";
import { OrderService } from "../src/gen/commerce/order/v1/order_service_pb.ts";
import { createAuthenticator } from "../src/rpc/auth.ts";
import { audience, issuer, keys, otherKeys, settle, sign, withToken } from "./support/tokens.ts";

const { createOrder } = OrderService.method;

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "auth-keys-test-"));
});

afterAll(() => rm(directory, { recursive: true }));

async function serveKeys(answer: () => Promise<{ status: number; body: string }>) {
  const server = createServer((_request, response) => {
    void answer().then(({ status, body }) => response.writeHead(status).end(body));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return {
    jwksUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await promisify(server.close.bind(server))();
    },
  };
}

test("the issuer's keys are fetched by their ids", async () => {
  // Given an issuer that publishes two keys.
  const published = [
    { ...(await exportJWK(keys.publicKey)), kid: "a" },
    { ...(await exportJWK(otherKeys.publicKey)), kid: "b" },
  ];
  await using issuerKeys = await serveKeys(async () => ({
    status: 200,
    body: JSON.stringify({ keys: published }),
  }));
  const authenticate = createAuthenticator({ issuer, audience, keys: { jwksUrl: issuerKeys.jwksUrl } });

  // When tokens name the one, the other, the wrong one and one that is not published.
  const tokens = [
    await sign({ sub: "ada" }, keys.privateKey, "a"),
    await sign({ sub: "bob" }, otherKeys.privateKey, "b"),
    await sign({ sub: "eve" }, otherKeys.privateKey, "a"),
    await sign({ sub: "eve" }, otherKeys.privateKey, "c"),
  ];
  const outcomes = await Promise.all(
    tokens.map((token) => settle(authenticate(withToken(token), createOrder))),
  );

  expect(outcomes).toEqual([
    "ada",
    "bob",
    { kind: "unauthenticated", reason: "TOKEN_INVALID", check: "ERR_JWS_SIGNATURE_VERIFICATION_FAILED" },
    { kind: "unauthenticated", reason: "TOKEN_INVALID", check: "ERR_JWKS_NO_MATCHING_KEY" },
  ]);
});

test.each([
  ["answer with an error", { status: 500, body: "" }],
  ["are not keys", { status: 200, body: "{}" }],
  ["are not JSON", { status: 200, body: "<html>" }],
])("fails with unavailable while the issuer's keys %s, and recovers", async (_, wrong) => {
  const right = { status: 200, body: JSON.stringify({ keys: [await exportJWK(keys.publicKey)] }) };
  const answers = [wrong, right];
  await using issuerKeys = await serveKeys(async () => answers.shift() ?? right);
  const authenticate = createAuthenticator({ issuer, audience, keys: { jwksUrl: issuerKeys.jwksUrl } });
  const headers = withToken(await sign());

  const refusal = await settle(authenticate(headers, createOrder));
  const principal = await authenticate(headers, createOrder);

  expect(refusal).toEqual({ kind: "unavailable", reason: "SIGNING_KEYS_UNAVAILABLE" });
  expect(principal).toBe("ada");
});

test("fails with unavailable when the issuer's keys do not come", async () => {
  await using issuerKeys = await serveKeys(() => new Promise(() => undefined));
  const authenticate = createAuthenticator(
    { issuer, audience, keys: { jwksUrl: issuerKeys.jwksUrl } },
    { fetchMsMax: 50 },
  );

  const refusal = await settle(authenticate(withToken(await sign()), createOrder));

  expect(refusal).toEqual({ kind: "unavailable", reason: "SIGNING_KEYS_UNAVAILABLE" });
});

test("takes a key file that is a JWKS, and a token with a key id for a PEM", async () => {
  const [jwks, pem] = [path.join(directory, "jwks.json"), path.join(directory, "issuer.pem")];
  await writeFile(pem, keys.publicKey.export({ type: "spki", format: "pem" }));
  await writeFile(jwks, JSON.stringify({ keys: [{ ...(await exportJWK(keys.publicKey)), kid: "a" }] }));
  const headers = withToken(await sign({}, keys.privateKey, "a"));

  expect(await createAuthenticator({ issuer, audience, keys: { keyFile: jwks } })(headers, createOrder)).toBe(
    "ada",
  );
  expect(await createAuthenticator({ issuer, audience, keys: { keyFile: pem } })(headers, createOrder)).toBe(
    "ada",
  );
});

test.each([
  ["absent.pem", undefined, "cannot be read (ENOENT)"],
  ["text.pem", "text", "holds no public key"],
  ["empty.json", "{}", "holds no public key"],
  ["private.pem", keys.privateKey.export({ type: "pkcs8", format: "pem" }).toString(), "holds a private one"],
  [
    "private.json",
    JSON.stringify({ keys: [keys.privateKey.export({ format: "jwk" })] }),
    "holds a private one",
  ],
])("refuses the key file %s", async (name, content, problem) => {
  const keyFile = path.join(directory, name);
  if (content !== undefined) await writeFile(keyFile, content);

  expect(() => createAuthenticator({ issuer, audience, keys: { keyFile } })).toThrow(
    new RegExp(`AUTH_KEY_FILE: ${keyFile} .*${problem.replaceAll(/[()]/g, "\\$&")}`),
  );
});
