import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { inspect } from "node:util";
import { SignJWT } from "jose";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { OrderService } from "../src/gen/commerce/order/v1/order_service_pb.ts";
import { Health } from "../src/gen/grpc/health/v1/health_pb.ts";
import { createAuthenticator } from "../src/rpc/auth.ts";
import { bindStreams } from "./support/streams.ts";
import {
  ada,
  audience,
  type Claims,
  expiry,
  issuer,
  keys,
  otherKeys,
  settle,
  sign,
  withToken,
} from "./support/tokens.ts";

const { createOrder, getOrder } = OrderService.method;

let directory: string;
let byFile: { issuer: string; audience: string; keys: { keyFile: string } };

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "auth-test-"));
  byFile = { issuer, audience, keys: { keyFile: path.join(directory, "issuer.pem") } };
  await writeFile(byFile.keys.keyFile, keys.publicKey.export({ type: "spki", format: "pem" }));
});

afterAll(() => rm(directory, { recursive: true }));

test("without authentication everybody is anonymous and may call everything", async () => {
  const authenticate = createAuthenticator(undefined);

  expect(await authenticate(() => null, createOrder)).toBe("anonymous");
  expect(await authenticate(() => "Bearer nonsense", Health.method.check)).toBe("anonymous");
});

test("the principal is the subject of the token", async () => {
  const authenticate = createAuthenticator(byFile);

  const principals = await Promise.all(
    ["ada", "Ada", " ada", "a|b"].map(async (sub) =>
      authenticate(withToken(await sign({ sub })), createOrder),
    ),
  );

  expect(principals).toEqual(["ada", "Ada", " ada", "a|b"]);
});

test.each<[string, Claims]>([
  ["scope", { scope: "other orders.read" }],
  ["scp", { scope: undefined, scp: ["orders.read"] }],
  ["scopes", { scope: undefined, scopes: ["orders.read"] }],
])("takes scopes from %s", async (_, claims) => {
  const authenticate = createAuthenticator(byFile);
  const headers = withToken(await sign(claims));

  expect(await authenticate(headers, getOrder)).toBe("ada");
  expect(await settle(authenticate(headers, createOrder))).toEqual({
    kind: "permission_denied",
    reason: "SCOPE_MISSING",
    method: "commerce.order.v1.OrderService/CreateOrder",
    scope: "orders.write",
  });
});

test.each([
  ["orders.read", "a.read b.write"],
  ["orders.read a.read", "b.write"],
  ["b.write orders.read", "a.read"],
])("a token with %s lacks %s for a method with two scopes", async (scope, missing) => {
  const authenticate = createAuthenticator(byFile);
  const [method] = bindStreams({}, { scopes: ["a.read", "b.write"] }).service.methods;

  const refusal = authenticate(withToken(await sign({ scope })), method!);

  expect(await settle(refusal)).toMatchObject({ reason: "SCOPE_MISSING", scope: missing });
});

test("a token with both scopes may call a method with two", async () => {
  const authenticate = createAuthenticator(byFile);
  const [method] = bindStreams({}, { scopes: ["a.read", "b.write"] }).service.methods;

  expect(await authenticate(withToken(await sign({ scope: "b.write a.read" })), method!)).toBe("ada");
});

test("a method without a policy is closed", async () => {
  const authenticate = createAuthenticator(byFile);

  expect(await settle(authenticate(withToken(await sign()), Health.method.check))).toEqual({
    kind: "permission_denied",
    reason: "METHOD_CLOSED",
    method: "grpc.health.v1.Health/Check",
  });
});

test.each<[string, string | null, string]>([
  ["no header", null, "CREDENTIALS_MISSING"],
  ["another scheme", "Basic YWRhOmFkYQ==", "CREDENTIALS_MALFORMED"],
  ["two tokens", "Bearer a.b.c, Bearer a.b.c", "CREDENTIALS_MALFORMED"],
  ["no token", "Bearer ", "CREDENTIALS_MALFORMED"],
  ["nonsense", "Bearer a.b.c", "TOKEN_INVALID"],
])("refuses %s", async (_, header, reason) => {
  const refusal = createAuthenticator(byFile)(() => header, createOrder);

  expect(await settle(refusal)).toMatchObject({ kind: "unauthenticated", reason });
});

test.each<[string, Claims, string]>([
  ["another issuer's", { iss: "https://other.example.com/" }, "TOKEN_INVALID"],
  ["for another audience", { aud: "billing" }, "TOKEN_INVALID"],
  ["that never expires", { exp: undefined }, "TOKEN_INVALID"],
  ["that has expired", { exp: expiry - 61 }, "TOKEN_EXPIRED"],
  ["that is not valid yet", { nbf: expiry }, "TOKEN_INVALID"],
  ["without a subject", { sub: undefined }, "TOKEN_INVALID"],
  ["with an empty subject", { sub: "" }, "TOKEN_INVALID"],
])("refuses a token %s", async (_, claims, reason) => {
  const refusal = createAuthenticator(byFile)(withToken(await sign(claims)), createOrder);

  expect(await settle(refusal)).toMatchObject({ kind: "unauthenticated", reason });
});

test("takes tokens of the configured type only, in any spelling of RFC 9068", async () => {
  const authenticate = createAuthenticator({ ...byFile, tokenType: "at+jwt" });
  const settleTyped = async (typ: string | undefined) => {
    const header = { alg: "ES256", ...(typ && { typ }) };
    const token = await new SignJWT({ ...ada }).setProtectedHeader(header).sign(keys.privateKey);
    return settle(authenticate(withToken(token), getOrder));
  };

  const taken = await Promise.all(["at+jwt", "AT+JWT", "application/at+jwt"].map(settleTyped));
  const refused = await Promise.all(["JWT", undefined].map(settleTyped));

  const check = "ERR_JWT_CLAIM_VALIDATION_FAILED";
  const invalid = { kind: "unauthenticated", reason: "TOKEN_INVALID", check };
  expect([taken, refused]).toEqual([
    ["ada", "ada", "ada"],
    [invalid, invalid],
  ]);
});

test("refuses a token that somebody else has signed, or nobody, or everybody could", async () => {
  const authenticate = createAuthenticator(byFile);
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString("base64url");
  const publicPem = keys.publicKey.export({ type: "spki", format: "pem" }).toString();

  const tokens = [
    await sign({}, otherKeys.privateKey),
    `${encode({ alg: "none" })}.${encode(ada)}.x`,
    await new SignJWT(ada).setProtectedHeader({ alg: "HS256" }).sign(Buffer.from(publicPem)),
  ];
  const answers = await Promise.all(
    tokens.map((token) => settle(authenticate(withToken(token), createOrder))),
  );

  expect(answers).toEqual([
    { kind: "unauthenticated", reason: "TOKEN_INVALID", check: "ERR_JWS_SIGNATURE_VERIFICATION_FAILED" },
    { kind: "unauthenticated", reason: "TOKEN_INVALID", check: "ERR_JOSE_ALG_NOT_ALLOWED" },
    { kind: "unauthenticated", reason: "TOKEN_INVALID", check: "ERR_JOSE_ALG_NOT_ALLOWED" },
  ]);
});

test.each<[string, Claims]>([
  ["TOKEN_INVALID", { aud: "s3cret" }],
  ["TOKEN_EXPIRED", { exp: expiry - 61 }],
  ["SCOPE_MISSING", { scope: "s3cret" }],
])("nothing of a token is in the error %s or its causes", async (reason, claims) => {
  const token = await sign({ sub: "s3cret", ...claims });
  const call = createAuthenticator(byFile)(withToken(token), createOrder);

  const error: unknown = await call.catch((thrown: unknown) => thrown);

  const shown = inspect(error, { depth: 9, showHidden: true });
  expect(shown).toContain(reason);
  expect(shown).not.toContain("s3cret");
  expect(token.split(".").filter((part) => shown.includes(part))).toEqual([]);
});

test("a token is verified once, remembered while it is valid, and forgotten for a younger one", async () => {
  const verify = vi.spyOn(crypto.subtle, "verify");
  let now = Date.now();
  const authenticate = createAuthenticator(byFile, { now: () => now, tokensMax: 1 });
  const [adas, bobs] = [withToken(await sign()), withToken(await sign({ sub: "bob" }))];

  const counts: number[] = [];
  for (const headers of [adas, adas, bobs, bobs, adas]) {
    await authenticate(headers, createOrder);
    counts.push(verify.mock.calls.length);
  }
  now = expiry * 1000;
  const late = await settle(authenticate(adas, createOrder));

  expect(counts).toEqual([1, 1, 2, 2, 3]);
  expect(late).toEqual({ kind: "unauthenticated", reason: "TOKEN_EXPIRED" });
});
