import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import type { ConnectionOptions } from "node:tls";
import type { Connection, Engine } from "../config.ts";
import type { Name, Values } from "./environment.ts";
import { fileProblem, isHost, isLoopback } from "./parsers.ts";

/** Notes what is wrong with the variables of these names, so that one error can name all that is wrong. */
export type Report = (names: readonly string[], problem: string) => void;

type Remote = {
  readonly kind: "remote";
  readonly connection: Connection;
  readonly engine: Engine | undefined;
};

const sslModes = ["disable", "require", "verify-ca", "verify-full"] as const;
type SslMode = (typeof sslModes)[number];

type SslFile = "rootCert" | "cert" | "key";
/** The files that TLS needs, each with the name under which the operator gave it. */
type SslFiles = Readonly<Record<SslFile, { readonly name: string; readonly path: string | undefined }>>;

const parameters = ["sslmode", "sslrootcert", "sslcert", "sslkey"];

/** The variables that describe a connection to CockroachDB; each of them alone selects it. */
export const connectionVariables = [
  "CRDB_HOST",
  "CRDB_PORT",
  "CRDB_USER",
  "CRDB_PASSWORD",
  "CRDB_DATABASE",
  "CRDB_SSL_MODE",
  "CRDB_SSL_ROOT_CERT",
  "CRDB_SSL_CERT",
  "CRDB_SSL_KEY",
] as const satisfies readonly Name[];

/** The CockroachDB that the CRDB_* variables describe, reading the files that they name. */
export function toCockroach(values: Values, report: Report): Remote {
  const files: SslFiles = {
    rootCert: { name: "CRDB_SSL_ROOT_CERT", path: values.CRDB_SSL_ROOT_CERT },
    cert: { name: "CRDB_SSL_CERT", path: values.CRDB_SSL_CERT },
    key: { name: "CRDB_SSL_KEY", path: values.CRDB_SSL_KEY },
  };
  const connection: Connection = {
    host: values.CRDB_HOST,
    port: values.CRDB_PORT,
    user: values.CRDB_USER,
    ...(values.CRDB_PASSWORD !== undefined && { password: values.CRDB_PASSWORD }),
    database: values.CRDB_DATABASE,
    ssl: readSsl(values.CRDB_SSL_MODE, "CRDB_SSL_MODE", files, report),
  };
  if (values.DATABASE_ENGINE === "postgresql") {
    const given = "the CRDB_* variables select CockroachDB; use DATABASE_URL for PostgreSQL";
    report(["DATABASE_ENGINE"], `is postgresql, but ${given}`);
  }
  return { kind: "remote", connection, engine: "cockroachdb" };
}

/** The database at a URL, reading the files that it names; undefined where something was wrong with it. */
export function parseDatabaseUrl(
  text: string,
  engine: Values["DATABASE_ENGINE"],
  report: Report,
): Remote | undefined {
  // No message repeats the URL or what a mistake in it (an unescaped @ or #) may have made of the password.
  const refuse = (problem: string) => {
    report(["DATABASE_URL"], problem);
    return undefined;
  };
  const url = URL.parse(text);
  const parts = url === null ? undefined : decode(url);
  const isOurs = /^(postgres|postgresql|cockroachdb):$/.test(url?.protocol ?? "");
  if (url === null || parts === undefined || !isOurs || url.hash !== "") {
    const schemes = "postgres://user:password@host:port/database (or postgresql://, cockroachdb://)";
    return refuse(`must be ${schemes}, in which a password's special characters are percent-encoded`);
  }
  const unknown = [...url.searchParams.keys()].filter((key) => !parameters.includes(key));
  if (unknown.length > 0) return refuse(`has unknown parameters; known are ${parameters.join(", ")}`);
  const { host, user, password, database } = parts;
  const isSocket = host.startsWith("/");
  if (!(isSocket || isHost(host)) || user === "" || database === "") {
    return refuse("must name a user, one host and a database");
  }
  const mode = url.searchParams.get("sslmode") ?? (isSocket || isLoopback(host) ? "disable" : "verify-full");
  if (!isSslMode(mode)) {
    return refuse(`sslmode must be ${sslModes.slice(0, -1).join(", ")} or ${sslModes.at(-1)}`);
  }
  const cockroach = url.protocol === "cockroachdb:";
  if (cockroach && engine === "postgresql") {
    report(["DATABASE_ENGINE"], "is postgresql, but DATABASE_URL begins with cockroachdb://");
  }
  const file = (key: string) => ({
    name: `DATABASE_URL ${key}`,
    path: url.searchParams.get(key) || undefined,
  });
  const files: SslFiles = { rootCert: file("sslrootcert"), cert: file("sslcert"), key: file("sslkey") };
  const connection: Connection = {
    host,
    port: url.port === "" ? (cockroach ? 26_257 : 5432) : Number(url.port),
    user,
    ...(password !== "" && { password }),
    database,
    ssl: readSsl(mode, "DATABASE_URL sslmode", files, report),
  };
  return {
    kind: "remote",
    connection,
    engine: engine === "auto" ? (cockroach ? "cockroachdb" : undefined) : engine,
  };
}

function decode(url: URL) {
  try {
    return {
      host: decodeURIComponent(url.hostname.replace(/^\[(.*)\]$/, "$1")),
      user: decodeURIComponent(url.username),
      password: decodeURIComponent(url.password),
      database: decodeURIComponent(url.pathname.slice(1)),
    };
  } catch {
    return undefined;
  }
}

function isSslMode(text: string): text is SslMode {
  return (sslModes as readonly string[]).includes(text);
}

/**
 * TLS as libpq's sslmode means it, for node-postgres, whose own reading of these words changes with versions.
 * `require` trusts any server; with a root certificate it is `verify-ca`, which ignores the host's name.
 */
function readSsl(mode: SslMode, modeName: string, files: SslFiles, report: Report): Connection["ssl"] {
  if (mode === "disable") return false;
  const ca = read(files.rootCert, "PEM certificate", report, (pem) => new X509Certificate(pem));
  const cert = read(files.cert, "PEM certificate", report, (pem) => new X509Certificate(pem));
  const key = read(files.key, "unencrypted PEM private key", report, createPrivateKey);
  if (mode === "verify-ca" && files.rootCert.path === undefined) {
    // Anybody can have a certificate for some name from a public authority.
    report([modeName], `verify-ca needs ${files.rootCert.name}; with public authorities use verify-full`);
  }
  if ((files.cert.path === undefined) !== (files.key.path === undefined)) {
    report([files.cert.name, files.key.name], "must be set together");
  }
  if (cert && key && !cert.parsed.checkPrivateKey(key.parsed)) {
    report([files.cert.name, files.key.name], "the key is not that of the certificate");
  }
  const chainOnly: ConnectionOptions = { checkServerIdentity: () => undefined };
  return {
    rejectUnauthorized: mode !== "require" || ca !== undefined,
    ...(mode !== "verify-full" && ca !== undefined && chainOnly),
    ...(ca && { ca: ca.pem }),
    ...(cert && { cert: cert.pem }),
    ...(key && { key: key.pem }),
  };
}

/** The text of a PEM file and what `parse` makes of it; undefined, and reported, where it is no such file. */
function read<T>(file: SslFiles[SslFile], kind: string, report: Report, parse: (pem: string) => T) {
  if (file.path === undefined) return undefined;
  try {
    const pem = readFileSync(file.path, "utf8");
    return { pem, parsed: parse(pem) };
  } catch (error) {
    report([file.name], fileProblem(file.path, error, kind));
    return undefined;
  }
}
