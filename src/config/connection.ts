import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { getCACertificates } from "node:tls";
import type { Connection, Engine } from "./types.ts";
import type { Name, Values } from "./environment.ts";
import type { Host } from "./parsers.ts";
import { fileProblem } from "./problems.ts";

/** Reports a problem of the named variables, so that one error can name all problems. */
export type Report = (names: readonly string[], problem: string) => void;

export type Remote = {
  readonly kind: "remote";
  readonly connection: Connection;
  readonly engine: Engine | undefined;
};

export const sslModes = ["disable", "require", "verify-ca", "verify-full"] as const;
export type SslMode = (typeof sslModes)[number];

type SslFile = "rootCert" | "cert" | "key";
/** The files for TLS, each with the name by which the operator configured it. */
export type SslFiles = Readonly<
  Record<SslFile, { readonly name: string; readonly path: string | undefined }>
>;

/** The variables that describe a connection to CockroachDB; setting any of them selects CockroachDB. */
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

/** Builds the connection that the CRDB_* variables describe; reads the files that they name. */
export function toCockroach(values: Values, report: Report): Remote {
  const files: SslFiles = {
    rootCert: { name: "CRDB_SSL_ROOT_CERT", path: values.CRDB_SSL_ROOT_CERT },
    cert: { name: "CRDB_SSL_CERT", path: values.CRDB_SSL_CERT },
    key: { name: "CRDB_SSL_KEY", path: values.CRDB_SSL_KEY },
  };
  const connection: Connection = {
    ...toPlaces(values.CRDB_HOST, values.CRDB_PORT),
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

/** Where to connect to, with the usual port for hosts that have none. */
export function toPlaces(
  hosts: readonly [Host, ...Host[]],
  port: number,
): Pick<Connection, "host" | "port" | "otherHosts"> {
  const [first, ...others] = hosts;
  const otherHosts = others.map((host) => ({ port, ...host }));
  return { port, ...first, ...(otherHosts.length > 0 && { otherHosts }) };
}

/**
 * Converts libpq's sslmode to TLS options, because node-postgres changes its reading of these words between
 * versions. `require` trusts any server; with a root certificate it is `verify-ca`, which ignores the host's
 * name.
 */
export function readSsl(mode: SslMode, modeName: string, files: SslFiles, report: Report): Connection["ssl"] {
  if (mode === "disable") return false;
  const ofSystem = files.rootCert.path === "system";
  if (ofSystem && mode !== "verify-full") {
    // A public authority gives anyone a certificate for some name.
    report([modeName], `must be verify-full where ${files.rootCert.name} is system`);
  }
  const ca = ofSystem ? undefined : readCertificate(files.rootCert, report);
  const cert = readCertificate(files.cert, report);
  const key = read(files.key, "unencrypted PEM private key", report, createPrivateKey);
  if (mode === "verify-ca" && files.rootCert.path === undefined) {
    // A public authority gives anyone a certificate for some name.
    report([modeName], `verify-ca needs ${files.rootCert.name}; with public authorities use verify-full`);
  }
  if ((files.cert.path === undefined) !== (files.key.path === undefined)) {
    report([files.cert.name, files.key.name], "must be set together");
  }
  if (cert && key && !cert.parsed.checkPrivateKey(key.parsed)) {
    report([files.cert.name, files.key.name], "the key is not that of the certificate");
  }
  return {
    rejectUnauthorized: mode !== "require" || ca !== undefined,
    ...(mode !== "verify-full" && ca !== undefined && { anyName: true }),
    ...(ofSystem && { ca: getCACertificates("system") }),
    ...(ca && { ca: ca.pem }),
    ...(cert && { cert: cert.pem }),
    ...(key && { key: key.pem }),
  };
}

function readCertificate(file: SslFiles[SslFile], report: Report) {
  return read(file, "PEM certificate", report, (pem) => new X509Certificate(pem));
}

/**
 * Returns the text of a PEM file and what `parse` makes of it; reports a file that is not such a PEM, and
 * returns undefined.
 */
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
