import type { Config } from "./types.ts";
import type { Report } from "./connection.ts";
import type { Name, Values } from "./environment.ts";
import { isLoopback } from "./parsers.ts";

/** Whether a variable is set. */
export type IsGiven = (name: Name) => boolean;

/** The files for TLS with callers, and for mutual TLS. */
export function toTls(values: Values, isGiven: IsGiven, report: Report): Config["tls"] {
  const { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile, TLS_CLIENT_CA_FILE: clientCaFile } = values;
  if (certFile !== undefined && keyFile !== undefined) {
    return { certFile, keyFile, ...(clientCaFile !== undefined && { clientCaFile }) };
  }
  const given = (["TLS_CERT_FILE", "TLS_KEY_FILE", "TLS_CLIENT_CA_FILE"] as const).filter(isGiven);
  if (given.length > 0) report(given, "TLS needs both TLS_CERT_FILE and TLS_KEY_FILE");
  return undefined;
}

/** Which tokens calls need; undefined if none. */
export function toAuth(values: Values, isGiven: IsGiven, report: Report): Config["auth"] {
  const {
    AUTH_ISSUER: issuer,
    AUTH_AUDIENCE: audience,
    AUTH_JWKS_URL: jwksUrl,
    AUTH_KEY_FILE: keyFile,
    AUTH_TOKEN_TYPE: tokenType,
  } = values;
  const all = ["AUTH_ISSUER", "AUTH_AUDIENCE", "AUTH_JWKS_URL", "AUTH_KEY_FILE", "AUTH_TOKEN_TYPE"] as const;
  const given = all.filter(isGiven);
  if (given.length === 0) return undefined;
  if (jwksUrl?.protocol === "http:" && !isLoopback(jwksUrl.hostname.replace(/^\[(.*)\]$/, "$1"))) {
    report(["AUTH_JWKS_URL"], "must be https: whoever can change the keys on their way can make tokens");
  }
  const keys = jwksUrl ? { jwksUrl: jwksUrl.href } : keyFile ? { keyFile } : undefined;
  if (issuer && audience && keys && !(jwksUrl && keyFile)) return { issuer, audience, tokenType, keys };
  report(given, "authentication needs AUTH_ISSUER, AUTH_AUDIENCE and one of AUTH_JWKS_URL and AUTH_KEY_FILE");
  return undefined;
}
