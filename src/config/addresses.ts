import type { Address } from "./types.ts";
import type { Report } from "./connection.ts";
import type { Values } from "./environment.ts";
import { isLoopback } from "./parsers.ts";

/** Reports addresses beyond loopback that are not protected, and two addresses with the same port. */
export function checkAddresses(values: Values, isProtected: boolean, report: Report): void {
  for (const name of ["GRPC_ADDR", "HTTP_ADDR"] as const) {
    if (isProtected || values.ALLOW_INSECURE_LISTEN === "true" || isLoopback(values[name].host)) continue;
    const needs =
      "needs TLS (TLS_CERT_FILE, TLS_KEY_FILE) and authentication (AUTH_ISSUER, AUTH_AUDIENCE, …)";
    report([name], `${values[name].host} is beyond loopback, which ${needs}, or ALLOW_INSECURE_LISTEN=true`);
  }
  const addresses = ["GRPC_ADDR", "HTTP_ADDR", "ADMIN_ADDR"] as const;
  for (const [index, one] of addresses.entries()) {
    for (const other of addresses.slice(index + 1)) {
      if (overlaps(values[one], values[other]))
        report([one, other], `both listen on port ${values[one].port}`);
    }
  }
}

/** Reports that pages of all origins may call a service that asks for no tokens. */
export function checkOrigins(values: Values, hasTokens: boolean, report: Report): void {
  // It would answer every page that anybody on this machine looks at.
  if (values.HTTP_CORS_ORIGINS?.includes("*") && !hasTokens)
    report(["HTTP_CORS_ORIGINS"], "* lets any web page call, which needs AUTH_*; name the origins");
}

function overlaps(one: Address, other: Address): boolean {
  const every = (host: string) => host === "0.0.0.0" || host === "::";
  if (one.port === 0 || one.port !== other.port) return false;
  return one.host === other.host || every(one.host) || every(other.host);
}
