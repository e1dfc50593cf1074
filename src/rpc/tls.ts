import { createPrivateKey, hash, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import {
  createSecureContext,
  type SecureContextOptions,
  type Server,
  type TlsOptions as ServerOptions,
} from "node:tls";
import type { Config } from "../config.ts";
import { ConfigError, fileProblem } from "../config/problems.ts";
import { systemCodeOf } from "../system-errors.ts";

type Files = NonNullable<Config["tls"]>;
type Material = { readonly cert: Buffer; readonly key: Buffer; readonly ca: Buffer | undefined };

/**
 * TLS for both listeners: one certificate and one set of client authorities, replaced in both at once. The
 * minimum is TLS 1.2, and only suites with forward secrecy and authenticated encryption are offered.
 */
export type Tls = {
  /**
   * Options for `tls.createServer`, to be used with `follow`, without which the server keeps these
   * certificates.
   */
  readonly serverOptions: ServerOptions;
  /** Gives the server each new certificate; open connections keep theirs. */
  follow(server: Server): void;
  /** When the certificate in use expires, in seconds since the epoch. */
  expirySeconds(): number;
  [Symbol.asyncDispose](): Promise<void>;
};

export type TlsOptions = {
  /**
   * Interval in milliseconds of checking the files. 10 s: a new certificate is valid long before the old one
   * expires.
   */
  readonly refreshMs?: number;
  /**
   * Called after each change: without a problem when the new files are in use, else the old ones are kept.
   */
  readonly onReload?: (problem?: ConfigError) => void;
};

/**
 * Loads certificate, key and, for mutual TLS, the client authorities, and reloads them when the files change.
 * Until the new files fit together the old ones stay in use: certificate and key are rarely replaced at the
 * same instant. Throws a ConfigError if the first files cannot be used.
 */
export async function loadTls(files: Files, options: TlsOptions = {}): Promise<Tls> {
  let material = await read(files);
  let seen = fingerprint(material);
  const listeners = new Set<() => void>();

  const refresh = async () => {
    const next = await read(files).catch((error: unknown) => {
      if (error instanceof ConfigError) return error;
      throw error;
    });
    // A problem is reported once, not at each check.
    const print = next instanceof ConfigError ? next.message : fingerprint(next);
    if (print === seen) return;
    seen = print;
    if (next instanceof ConfigError) return options.onReload?.(next);
    material = next;
    for (const listener of listeners) listener();
    options.onReload?.();
  };
  // Reads three small files each time. File system events miss some kinds of replacement, such as the
  // directory links that Kubernetes switches.
  let refreshing = Promise.resolve();
  const timer = setInterval(() => {
    refreshing = refreshing.then(refresh);
  }, options.refreshMs ?? 10_000).unref();

  return {
    serverOptions: {
      ...toContext(material),
      requestCert: files.clientCaFile !== undefined,
      rejectUnauthorized: files.clientCaFile !== undefined,
    },
    follow(server) {
      const listener = () => server.setSecureContext(toContext(material));
      listener();
      listeners.add(listener);
      server.once("close", () => listeners.delete(listener));
    },
    // The first one of the chain is the server's own.
    expirySeconds: () => new X509Certificate(material.cert).validToDate.getTime() / 1000,
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await refreshing;
      listeners.clear();
    },
  };
}

/** The suites of TLS 1.3, and for TLS 1.2 those of RFC 9325 §4.2, with ChaCha20 for machines without AES. */
const SUITES = [
  "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256",
  "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305",
].join(":");

function toContext({ cert, key, ca }: Material): SecureContextOptions {
  return { cert, key, ...(ca && { ca }), ciphers: SUITES, minVersion: "TLSv1.2" };
}

function fingerprint({ cert, key, ca }: Material): string {
  return hash("sha256", Buffer.concat([cert, key, ca ?? Buffer.alloc(0)]));
}

/** Reads the files and verifies that a server can use them. */
async function read(files: Files): Promise<Material> {
  const asCertificate = (pem: Buffer) => new X509Certificate(pem);
  const cert = await readPem("TLS_CERT_FILE", files.certFile, "PEM certificate", asCertificate);
  const key = await readPem("TLS_KEY_FILE", files.keyFile, "unencrypted PEM private key", createPrivateKey);
  const caFile = files.clientCaFile;
  const ca = caFile && (await readPem("TLS_CLIENT_CA_FILE", caFile, "PEM certificate", asCertificate));
  const material = { cert, key, ca: ca || undefined };
  try {
    createSecureContext(toContext(material));
  } catch (error) {
    const code = systemCodeOf(error);
    throw new ConfigError([`TLS_CERT_FILE, TLS_KEY_FILE: do not fit together (${code})`]);
  }
  return material;
}

async function readPem(name: string, path: string, kind: string, parse: (pem: Buffer) => unknown) {
  try {
    const pem = await readFile(path);
    parse(pem);
    return pem;
  } catch (error) {
    throw new ConfigError([`${name}: ${fileProblem(path, error, kind)}`]);
  }
}
