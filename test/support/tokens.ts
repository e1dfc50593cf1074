import { generateKeyPairSync } from "node:crypto";
import { SignJWT } from "jose";
import type { DomainError } from "../../src/errors.ts";

export const issuer = "https://issuer.example.com/";
export const audience = "commerce";

/** The issuer's keys, and keys of somebody else. */
export const keys = generateKeyPairSync("ec", { namedCurve: "P-256" });
export const otherKeys = generateKeyPairSync("ec", { namedCurve: "P-256" });

/** When Ada's token expires, in seconds since the epoch. */
export const expiry = Math.floor(Date.now() / 1000) + 60;

export type Claims = Readonly<Record<string, unknown>>;

/** What the token of Ada says, who may read and write orders for another minute. */
export const ada: Claims = {
  iss: issuer,
  aud: audience,
  sub: "ada",
  exp: expiry,
  scope: "orders.read orders.write",
};

/** Ada's token, but for the given claims. */
export function sign(claims: Claims = {}, key = keys.privateKey, kid?: string): Promise<string> {
  const header = { alg: "ES256", ...(kid !== undefined && { kid }) };
  return new SignJWT({ ...ada, ...claims }).setProtectedHeader(header).sign(key);
}

/** The headers of a call with the token. */
export function withToken(token: string): (name: string) => string | null {
  return (name) => (name === "authorization" ? `Bearer ${token}` : null);
}

/** The principal, or in short what a caller is told. */
export function settle(call: Promise<string>): Promise<unknown> {
  return call.catch(({ kind, reason, facts }: DomainError) => ({ kind, reason, ...facts.metadata }));
}
