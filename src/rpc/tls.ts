import { createPrivateKey, hash, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import {
  createSecureContext,
  type SecureContextOptions,
  type Server,
  type TlsOptions as ServerOptions,
} from "node:tls";
import { experimental, type ServerCredentials } from "@grpc/grpc-js";
import { fileProblem } from "../config/parsers.ts";
import { type Config, ConfigError } from "../config.ts";

type Files = NonNullable<Config["tls"]>;
type Material = { readonly cert: Buffer; readonly key: Buffer; readonly ca: Buffer | undefined };
type Provider = Parameters<typeof experimental.createCertificateProviderServerCredentials>[0];

/**
 * TLS for the doors of the service: the same certificate, the same callers, replaced in both at once. TLS 1.2
 * is the least, which is Node's default; grpc-js has no option for it.
 */
export type Tls = {
  /** For grpc-js; they follow the files. */
  grpcCredentials(): ServerCredentials;
  /** For `tls.createServer`, together with `follow`: without it the server keeps these for ever. */
  readonly serverOptions: ServerOptions;
  /** Gives the server each new certificate from now on; connections that are open keep theirs. */
  follow(server: Server): void;
  [Symbol.asyncDispose](): Promise<void>;
};

export type TlsOptions = {
  /** How often the files are looked at. 10 s: a new certificate is valid long before the old one ends. */
  readonly refreshMs?: number;
  /** Told of each change: nothing when the new files are in use, the reason when the old ones are kept. */
  readonly onReload?: (problem?: ConfigError) => void;
};

/**
 * Loads certificate, key and, for mutual TLS, the callers' authorities, and replaces them when the files
 * change. Until the new files fit together the old ones stay in use: certificate and key are rarely replaced
 * at the same instant. Throws a ConfigError where the first files cannot be used. grpc-js's own watcher of
 * files does not do: it closes the door while a file is missing or the two do not fit, and it serves grpc-js
 * only.
 */
export async function loadTls(files: Files, options: TlsOptions = {}): Promise<Tls> {
  let material = await read(files);
  let seen = fingerprint(material);
  const listeners = new Set<() => void>();

  const refresh = async () => {
    const next = await read(files).catch((error: unknown) => error as ConfigError);
    // A problem is told once, not at each look.
    const print = next instanceof ConfigError ? next.message : fingerprint(next);
    if (print === seen) return;
    seen = print;
    if (next instanceof ConfigError) return options.onReload?.(next);
    material = next;
    for (const listener of listeners) listener();
    options.onReload?.();
  };
  // Three small files are read anew each time. Notifications of the file system miss some of the ways in
  // which files are replaced, such as the links to directories that Kubernetes turns.
  let refreshing = Promise.resolve();
  const timer = setInterval(() => {
    refreshing = refreshing.then(refresh);
  }, options.refreshMs ?? 10_000).unref();

  return {
    grpcCredentials() {
      const provider = createProvider(() => material, listeners);
      // The parameters' names are the wrong way round in grpc-js: the first is the one of the server's
      // identity.
      const ca = files.clientCaFile === undefined ? null : provider;
      return experimental.createCertificateProviderServerCredentials(provider, ca, ca !== null);
    },
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
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await refreshing;
      listeners.clear();
    },
  };
}

function toContext({ cert, key, ca }: Material): SecureContextOptions {
  return { cert, key, ...(ca && { ca }) };
}

function fingerprint({ cert, key, ca }: Material): string {
  return hash("sha256", Buffer.concat([cert, key, ca ?? Buffer.alloc(0)]));
}

/** Reads the files and makes sure that a server can be made of them. */
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
    const code = (error as NodeJS.ErrnoException).code;
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

/** What grpc-js asks for certificates: it is told the current ones, and again at each change. */
function createProvider(current: () => Material, listeners: Set<() => void>): Provider {
  const updates = new Map<unknown, () => void>();
  const add = (listener: unknown, update: () => void) => {
    updates.set(listener, update);
    listeners.add(update);
    // grpc-js starts to listen to its credentials after this call, and would miss an answer within it.
    queueMicrotask(update);
  };
  const remove = (listener: unknown) => {
    const update = updates.get(listener);
    if (update !== undefined) listeners.delete(update);
    updates.delete(listener);
  };
  return {
    addCaCertificateListener: (listener) =>
      add(listener, () => {
        const { ca } = current();
        listener(ca ? { caCertificate: ca } : null);
      }),
    addIdentityCertificateListener: (listener) =>
      add(listener, () => listener({ certificate: current().cert, privateKey: current().key })),
    removeCaCertificateListener: remove,
    removeIdentityCertificateListener: remove,
  };
}
