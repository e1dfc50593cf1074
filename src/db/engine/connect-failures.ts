import type { Connection } from "../../config.ts";
import { PasswordMissing } from "./credentials.ts";
import { toServerError, type ServerError } from "../../errors.ts";
import { judge } from "./judge.ts";

/** Why there is no connection, for the operator. */
export type ConnectFailure = {
  /** One line, with the remedy where there is one. */
  readonly line: string;
  /** Whether it may pass by itself, as while the server starts. */
  readonly passing: boolean;
};

type Cause = { readonly says: string; readonly passing: boolean };

const pooler =
  "this is how a connection pooler answers; name the database itself, the service has a pool of its own";

/** What the operator does about a refusal, by SQLSTATE; the server's own words stand before it. */
const remedies: readonly (readonly [RegExp, string])[] = [
  [/^28P01$/, "correct the user or the password in DATABASE_URL, or CRDB_USER and CRDB_PASSWORD"],
  [/^28/, "correct the user in DATABASE_URL or CRDB_USER, or let it in (pg_hba.conf)"],
  [/^3D000$/, "create it, or name another one in DATABASE_URL or CRDB_DATABASE"],
  [/^08P01$/, pooler],
];

/** What the driver and the system fail with, by code. */
const breaks: readonly (readonly [RegExp, Cause])[] = [
  [/^(ENOTFOUND|EAI_AGAIN)$/, { says: "no host of this name is known", passing: true }],
  [/^ECONNREFUSED$/, { says: "nothing listens there", passing: true }],
  [/^ENOENT$/, { says: "there is no such socket", passing: true }],
  [/^EACCES$/, { says: "the socket may not be opened by this user", passing: false }],
  [/^CERT_HAS_EXPIRED$/, { says: "its certificate has expired", passing: false }],
  [
    /^ERR_TLS_CERT_ALTNAME_INVALID$/,
    {
      says: "its certificate is for other names: use one of them, or sslmode=verify-ca with its authority",
      passing: false,
    },
  ],
  [
    /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_\w+|CERT_\w+|INVALID_CA)$/,
    {
      says: "its certificate is not trusted: name its authority by sslrootcert or CRDB_SSL_ROOT_CERT",
      passing: false,
    },
  ],
  [/^(ERR_SSL_\w+|EPROTO)$/, { says: "TLS fails", passing: false }],
];

/** What node-postgres says without a code. */
const withoutTls = "The server does not support SSL connections";

/** Says why a database cannot be used, and whether to wait. */
export function explainConnectFailure(error: unknown, connection: Connection): ConnectFailure {
  const { message, code = "" } = error as Error & { code?: string };
  const place = toPlace(connection);
  const server = toServerError(error);
  if (server !== undefined) {
    const remedy = remedies.find(([codes]) => codes.test(server.code))?.[1];
    const says = remedy === undefined ? message : `${message}: ${remedy}`;
    const passing = remedy === undefined && isPassing(server);
    return { line: `the database at ${place} refuses the service: ${says}`, passing };
  }
  if (error instanceof PasswordMissing) {
    const remedy = "put it into DATABASE_URL (postgres://user:password@…) or CRDB_PASSWORD";
    return { line: `the database at ${place} refuses the service: ${message}; ${remedy}`, passing: false };
  }
  if (message === withoutTls) {
    const remedy = "it has no TLS: set it up there, or configure sslmode=disable or CRDB_SSL_MODE=disable";
    return { line: `the database at ${place} cannot be reached: ${remedy}`, passing: false };
  }
  const known = breaks.find(([codes]) => codes.test(code))?.[1];
  // What is not known here is told as it is, and waited for.
  const says = known ? `${known.says} (${code})` : message || code || String(error);
  return { line: `the database at ${place} cannot be reached: ${says}`, passing: known?.passing ?? true };
}

/** Whether it may pass: the server starts, stops or has no room, or its system fails (58xxx). */
function isPassing(server: ServerError): boolean {
  const progress = { phase: "connecting", wasPrepared: false, beginMs: performance.now() } as const;
  const { disposition } = judge("postgresql", progress, server);
  return disposition !== "final" || server.code.startsWith("58");
}

/** Where a database is, as it is read by people. */
export function toPlace({ host, port, otherHosts = [] }: Connection): string {
  if (host.startsWith("/")) return `${host}/.s.PGSQL.${port}`;
  const hosts = [{ host, port }, ...otherHosts];
  return hosts
    .map((each) => `${each.host.includes(":") ? `[${each.host}]` : each.host}:${each.port}`)
    .join(",");
}
