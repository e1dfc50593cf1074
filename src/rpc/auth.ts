import { createPublicKey, hash } from "node:crypto";
import { readFileSync } from "node:fs";
import { type DescMethod, getOption, hasOption } from "@bufbuild/protobuf";
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  errors,
  type JSONWebKeySet,
  type JWTPayload,
  jwtVerify,
  type JWTVerifyGetKey,
} from "jose";
import type { Config } from "../config.ts";
import { ConfigError, fileProblem } from "../config/problems.ts";
import { createError, DomainError } from "../errors.ts";
import { policy } from "../gen/commerce/options/v1/options_pb.ts";

/**
 * Returns the principal of a call from its headers. Throws a DomainError if the caller may not call the
 * method.
 */
export type Authenticate = (header: (name: string) => string | null, method: DescMethod) => Promise<string>;

type Auth = NonNullable<Config["auth"]>;
type Identity = {
  readonly principal: string;
  readonly scopes: ReadonlySet<string>;
  readonly expiryMs: number;
};

/** Options for tests. */
export type AuthOptions = {
  readonly now?: () => number;
  /** Verified tokens to cache: 10,000 take about 4 MB; a token that is not cached is verified again. */
  readonly tokensMax?: number;
  /**
   * How long a request to the issuer may take, in milliseconds: 2 s, less than half of the default deadline.
   */
  readonly fetchMsMax?: number;
};

// Public-key signatures only. With HMAC in the list, anyone with the public key could sign.
const algorithms = "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519".split(" ");

// A withdrawn key is trusted until both caches have expired: jose's of keys (10 minutes) and this one of
// tokens.
const rememberMsMax = 5 * 60_000;

/**
 * Creates the function that authenticates and authorises a call. Without `auth` every caller is "anonymous"
 * and may call every method. With it a call needs a token of the issuer for the audience, with the scopes of
 * the method's policy; the principal is the token's subject, and methods without a policy are closed. Errors
 * and their causes contain nothing of the token. Throws a ConfigError if the key file cannot be used.
 */
export function createAuthenticator(auth: Config["auth"], options: AuthOptions = {}): Authenticate {
  if (auth === undefined) return async () => "anonymous";
  const now = options.now ?? Date.now;
  const keys =
    "keyFile" in auth.keys
      ? readKeys(auth.keys.keyFile)
      : fetchKeys(auth.keys.jwksUrl, options.fetchMsMax ?? 2000);
  const verify = createVerifier(auth, keys, now);
  const identities = createMemory(options.tokensMax ?? 10_000, now);
  const scopesByMethod = new Map<DescMethod, readonly string[] | undefined>();

  return async (header, method) => {
    const token = bearerToken(header("authorization"));
    // The key is a digest: no usable token stays in memory, and entries are small whatever the token's size.
    const digest = hash("sha256", token, "base64");
    const identity = identities.get(digest) ?? identities.add(digest, await verify(token));
    if (!scopesByMethod.has(method)) scopesByMethod.set(method, requiredScopes(method));
    authorise(identity, scopesByMethod.get(method), method);
    return identity.principal;
  };
}

function bearerToken(header: string | null): string {
  if (header === null || header === "") {
    throw createError("CREDENTIALS_MISSING", "The call needs `authorization: Bearer <JWT>`.");
  }
  const token = /^Bearer +([\w-]+\.[\w-]+\.[\w-]+)$/i.exec(header)?.[1];
  if (token !== undefined) return token;
  throw createError("CREDENTIALS_MALFORMED", "The authorization is not `Bearer <JWT>`.");
}

function requiredScopes(method: DescMethod): readonly string[] | undefined {
  return hasOption(method, policy) ? getOption(method, policy).scopes : undefined;
}

function authorise(identity: Identity, scopes: readonly string[] | undefined, method: DescMethod): void {
  const name = `${method.parent.typeName}/${method.name}`;
  if (scopes === undefined) {
    throw createError("METHOD_CLOSED", `No scope allows ${name}.`, {
      metadata: { method: name },
    });
  }
  const missing = scopes.filter((scope) => !identity.scopes.has(scope)).join(" ");
  if (missing !== "") {
    throw createError("SCOPE_MISSING", `${name} needs a token with: ${missing}.`, {
      metadata: { method: name, scope: missing },
    });
  }
}

function createVerifier(
  auth: Auth,
  keys: JWTVerifyGetKey,
  now: () => number,
): (token: string) => Promise<Identity> {
  const { issuer, audience, tokenType } = auth;
  return async (token) => {
    try {
      const currentDate = new Date(now());
      const checks = { issuer, audience, algorithms, currentDate, ...(tokenType && { typ: tokenType }) };
      return toIdentity((await jwtVerify(token, keys, checks)).payload);
    } catch (error) {
      if (error instanceof DomainError) throw error;
      // Without the cause: jose's errors carry the claims.
      if (error instanceof errors.JWTExpired) {
        throw createError("TOKEN_EXPIRED", "The token has expired.");
      }
      throw invalidToken(error instanceof errors.JOSEError ? error.code : "ERR_KEY");
    }
  };
}

function toIdentity(claims: JWTPayload): Identity {
  const { sub, exp } = claims;
  if (typeof sub !== "string" || sub === "" || exp === undefined) throw invalidToken("ERR_JWT_INVALID");
  // OAuth's `scope` is one string with spaces; other issuers use `scp` or `scopes`, mostly arrays.
  const scopes = [claims["scope"], claims["scp"], claims["scopes"]].flat().flatMap((scope) => {
    return typeof scope === "string" ? scope.split(" ") : [];
  });
  return { principal: sub, scopes: new Set(scopes), expiryMs: exp * 1000 };
}

function invalidToken(check: string): DomainError {
  const message = "The token is not one that this service accepts.";
  return createError("TOKEN_INVALID", message, { metadata: { check } });
}

/** Reads keys from a file: a PEM public key, or a JWKS. */
function readKeys(file: string): JWTVerifyGetKey {
  try {
    const text = readFileSync(file, "utf8");
    if (/PRIVATE KEY|"d"\s*:/.test(text)) throw new TypeError("A private key has no business here.");
    if (!text.includes("-----BEGIN")) return createLocalJWKSet(JSON.parse(text) as JSONWebKeySet);
    const only = createLocalJWKSet({ keys: [createPublicKey(text).export({ format: "jwk" })] });
    // A PEM has no key id to compare with the token's.
    return (header, token) => only({ alg: header.alg }, token);
  } catch (error) {
    const problem = fileProblem(file, error, "public key, as PEM or JWKS, or holds a private one");
    throw new ConfigError([`AUTH_KEY_FILE: ${problem}`]);
  }
}

/**
 * Fetches the issuer's published keys: when first needed, when stale, and when a token names an unknown key.
 */
function fetchKeys(url: string, msMax: number): JWTVerifyGetKey {
  const keys = createRemoteJWKSet(new URL(url), { timeoutDuration: msMax });
  const tokenFaults = [errors.JWKSNoMatchingKey, errors.JWKSMultipleMatchingKeys, errors.JOSENotSupported];
  return async (header, token) => {
    try {
      return await keys(header, token);
    } catch (error) {
      if (tokenFaults.some((fault) => error instanceof fault)) throw error;
      const message = "The keys to verify tokens with cannot be fetched at the moment.";
      throw createError("SIGNING_KEYS_UNAVAILABLE", message, { retryAfterMs: 1000 }, error);
    }
  };
}

/** Caches the `max` newest identities until they expire: a verification costs 20 to 300 µs. */
function createMemory(max: number, now: () => number) {
  const entries = new Map<string, { readonly identity: Identity; readonly untilMs: number }>();
  return {
    get(digest: string): Identity | undefined {
      const entry = entries.get(digest);
      if (entry === undefined || now() < entry.untilMs) return entry?.identity;
      entries.delete(digest);
      return undefined;
    },
    add(digest: string, identity: Identity): Identity {
      const [oldest] = entries.keys();
      if (oldest !== undefined && entries.size >= max) entries.delete(oldest);
      entries.set(digest, { identity, untilMs: Math.min(identity.expiryMs, now() + rememberMsMax) });
      return identity;
    },
  };
}
