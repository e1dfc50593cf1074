import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import type { AddressInfo, LookupFunction } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { connect, createServer } from "node:tls";
import { promisify } from "node:util";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ConfigError, parseConfig, redactedConfig } from "../src/config.ts";
import { names } from "../src/config/environment.ts";
import { createAuthority } from "./support/certificates.ts";

type Env = Record<string, string>;

let directory: string;
const authority = createAuthority();
const server = authority.issue("127.0.0.1");
const client = authority.issue("app");

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "config-test-"));
  await writeFile(file("ca.crt"), authority.cert);
  await writeFile(file("alien.crt"), createAuthority("alien").cert);
  await writeFile(file("client.crt"), client.cert);
  await writeFile(file("client.key"), client.key);
  await writeFile(file("server.key"), server.key);
});

afterAll(() => rm(directory, { recursive: true }));

function file(name: string): string {
  return path.join(directory, name);
}

/** The lines of the error about an environment; none where it is right. */
function findProblems(env: Env): string[] {
  try {
    parseConfig(env);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message.split("\n  ").slice(1);
  }
}

test("without any variable the service runs on loopback with a database of its own", () => {
  const config = parseConfig({ PATH: "/bin", DATABASE_URL: "", LOG_LEVEL: undefined });

  expect(config).toEqual({
    grpcAddr: { host: "127.0.0.1", port: 50_051 },
    httpAddr: { host: "127.0.0.1", port: 8080 },
    adminAddr: { host: "127.0.0.1", port: 9090 },
    database: { kind: "embedded", dataDir: ".data" },
    pool: {
      connsMax: 25,
      connsMin: 5,
      queueMax: 1024,
      waitMsMax: 1000,
      lifetimeMs: 300_000,
      idleMsMax: 300_000,
    },
    calls: {
      inFlightMax: 1024,
      messageBytesMax: 4_194_304,
      deadlineMsDefault: 5000,
      deadlineMsMax: 60_000,
    },
    tls: undefined,
    auth: undefined,
    shutdown: { drainMs: 0, graceMs: 10_000 },
    logLevel: "info",
    tracesEndpoint: undefined,
  });
});

test("reads what is set", () => {
  const config = parseConfig({
    GRPC_ADDR: "[::]:0",
    HTTP_ADDR: "api.example.com:0",
    TLS_CERT_FILE: "tls.crt",
    TLS_KEY_FILE: "tls.key",
    TLS_CLIENT_CA_FILE: "ca.crt",
    AUTH_ISSUER: "https://issuer.example.com/",
    AUTH_AUDIENCE: "commerce",
    AUTH_JWKS_URL: "https://issuer.example.com/keys",
    CRDB_MAX_CONNS: "3",
    CRDB_MAX_CONN_LIFETIME: "1h30m",
    CALL_MESSAGE_MAX: "512KiB",
    CALL_DEADLINE_DEFAULT: "250ms",
    OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318",
  });

  expect(config).toMatchObject({
    grpcAddr: { host: "::", port: 0 },
    httpAddr: { host: "api.example.com", port: 0 },
    tls: { certFile: "tls.crt", keyFile: "tls.key", clientCaFile: "ca.crt" },
    auth: {
      issuer: "https://issuer.example.com/",
      audience: "commerce",
      keys: { jwksUrl: "https://issuer.example.com/keys" },
    },
    // The default minimum gives way to the maximum that was set.
    pool: { connsMax: 3, connsMin: 3, lifetimeMs: 5_400_000 },
    calls: { messageBytesMax: 524_288, deadlineMsDefault: 250 },
    // Beyond loopback something balances the load, and has to see NOT_SERVING.
    shutdown: { drainMs: 5000 },
    tracesEndpoint: "http://collector:4318/",
  });
});

test.each([
  ["GRPC_ADDR", "50051", "must be host:port"],
  ["GRPC_ADDR", ":50051", "must be host:port"],
  ["GRPC_ADDR", "::1:50051", "must be host:port"],
  ["GRPC_ADDR", "[127.0.0.1]:50051", "must be host:port"],
  ["GRPC_ADDR", "127.0.0.256:50051", "must be host:port"],
  ["HTTP_ADDR", "localhost:65536", 'not "localhost:65536"'],
  ["CRDB_HOST", "a,b", "must be a host name or an address"],
  ["CRDB_PORT", "0", "must be a whole number from 1 to 65535"],
  ["CRDB_MAX_CONNS", "2.5", "must be a whole number from 1 to 1000"],
  ["CRDB_MAX_CONNS", "1e2", "must be a whole number"],
  ["CRDB_MAX_CONN_LIFETIME", "30", "must be a duration such as 500ms, 30s, 5m or 1h30m, from 1s to 24h"],
  ["CALL_DEADLINE_DEFAULT", "5ms", "from 10ms to 1h"],
  ["CALL_MESSAGE_MAX", "1GiB", "from 1KiB to 64MiB"],
  ["CRDB_SSL_MODE", "prefer", "must be disable, require, verify-ca or verify-full"],
  ["ALLOW_INSECURE_LISTEN", "yes", "must be false or true"],
  ["AUTH_JWKS_URL", "ftp://host/keys", "must be an http:// or https:// URL"],
])("refuses %s=%s", (name, value, allowed) => {
  expect(findProblems({ [name]: value })).toEqual([expect.stringMatching(new RegExp(`^${name}: `))]);
  expect(findProblems({ [name]: value })[0]).toContain(allowed);
});

test.each<[string, Env, string[]]>([
  [
    "two doors on one port",
    { GRPC_ADDR: "127.0.0.1:8080", ADMIN_ADDR: "0.0.0.0:50052" },
    ["GRPC_ADDR, HTTP_ADDR: both listen on port 8080"],
  ],
  [
    "a port taken on all addresses",
    { ADMIN_ADDR: "0.0.0.0:8080" },
    ["HTTP_ADDR, ADMIN_ADDR: both listen on port 8080"],
  ],
  [
    "a minimum above the maximum",
    { CRDB_MIN_CONNS: "9", CRDB_MAX_CONNS: "8" },
    ["CRDB_MIN_CONNS, CRDB_MAX_CONNS: the minimum is larger than the maximum"],
  ],
  [
    "a default above the maximum",
    { CALL_DEADLINE_MAX: "1s" },
    ["CALL_DEADLINE_DEFAULT, CALL_DEADLINE_MAX: the default is longer than the longest"],
  ],
  [
    "a certificate without its key",
    { TLS_CERT_FILE: "a" },
    ["TLS_CERT_FILE: TLS needs both TLS_CERT_FILE and TLS_KEY_FILE"],
  ],
  [
    "an issuer without keys",
    { AUTH_ISSUER: "a", AUTH_AUDIENCE: "b" },
    [
      "AUTH_ISSUER, AUTH_AUDIENCE: authentication needs AUTH_ISSUER, AUTH_AUDIENCE and one of AUTH_JWKS_URL " +
        "and AUTH_KEY_FILE",
    ],
  ],
  [
    "keys that travel in the clear",
    { AUTH_ISSUER: "a", AUTH_AUDIENCE: "b", AUTH_JWKS_URL: "http://issuer.example.com/keys" },
    ["AUTH_JWKS_URL: must be https: whoever can change the keys on their way can make tokens"],
  ],
  [
    "two databases",
    { DATABASE_URL: "postgres://u@localhost/d", CRDB_HOST: "h" },
    ["DATABASE_URL: conflicts with CRDB_HOST; set one or the other"],
  ],
  [
    "an engine that is not the one selected",
    { DATABASE_ENGINE: "postgresql", CRDB_HOST: "h" },
    [
      "DATABASE_ENGINE: is postgresql, but the CRDB_* variables select CockroachDB; use DATABASE_URL for PostgreSQL",
    ],
  ],
  [
    "an engine that is not embedded",
    { DATABASE_ENGINE: "cockroachdb" },
    ["DATABASE_ENGINE: is cockroachdb, which needs CRDB_HOST or DATABASE_URL"],
  ],
])("refuses %s", (_, env, problems) => {
  expect(findProblems(env)).toEqual(problems);
});

test("one error names every variable that is wrong", () => {
  const problems = findProblems({
    LOG_LEVEL: "loud",
    CRDB_HOTS: "secret",
    CRDB_SSL_ROOT_CERT: file("absent.crt"),
    CRDB_SSL_CERT: file("ca.crt"),
    CRDB_SSL_KEY: file("client.key"),
    CALL_DEADLINE_MAX: "soon",
    TLS_KEY_FILE: "tls.key",
  });

  expect(problems).toEqual([
    "CRDB_HOTS: is no variable of this service; did you mean CRDB_HOST?",
    expect.stringMatching(/^CALL_DEADLINE_MAX: must be a duration .*, not "soon"$/),
    'LOG_LEVEL: must be fatal, error, warn, info, debug, trace or silent, not "loud"',
    `CRDB_SSL_ROOT_CERT: ${file("absent.crt")} cannot be read (ENOENT)`,
    "CRDB_SSL_CERT, CRDB_SSL_KEY: the key is not that of the certificate",
    "TLS_KEY_FILE: TLS needs both TLS_CERT_FILE and TLS_KEY_FILE",
  ]);
});

test("beyond loopback gRPC and HTTP need TLS and authentication, or to be told that they do not", () => {
  const open = { GRPC_ADDR: "0.0.0.0:50051", HTTP_ADDR: "api:8080", ADMIN_ADDR: "0.0.0.0:9090" };
  const tls = { TLS_CERT_FILE: "a", TLS_KEY_FILE: "b" };
  const auth = { AUTH_ISSUER: "a", AUTH_AUDIENCE: "b", AUTH_KEY_FILE: "c" };

  const refused = [open, { ...open, ...tls }, { ...open, ...auth }].map(findProblems);
  const allowed = [
    { ...open, ...tls, ...auth },
    { ...open, ALLOW_INSECURE_LISTEN: "true" },
  ].map(findProblems);

  const both = [
    expect.stringMatching(/^GRPC_ADDR: 0.0.0.0 is beyond/),
    expect.stringMatching(/^HTTP_ADDR: api/),
  ];
  expect({ refused, allowed }).toEqual({ refused: [both, both, both], allowed: [[], []] });
});

test("variables of others that begin like ours are left alone", () => {
  const problems = findProblems({
    GRPC_VERBOSITY: "debug",
    GRPC_NODE_TRACE: "all",
    GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: "roots.pem",
    HTTP_PROXY: "http://proxy",
    CRDB_PUBLIC_SERVICE_HOST: "10.0.0.1",
    CRDB_PUBLIC_SERVICE_PORT_GRPC: "26257",
    CRDB_PUBLIC_PORT: "tcp://10.0.0.1:26257",
    CRDB_PUBLIC_PORT_26257_TCP_ADDR: "10.0.0.1",
    OTEL_SDK_DISABLED: "true",
  });

  expect(problems).toEqual([]);
});

test("says where a port that looks like a URL comes from", () => {
  expect(findProblems({ CRDB_PORT: "tcp://10.0.0.1:26257" })).toEqual([
    "CRDB_PORT: must be a whole number from 1 to 65535; tcp://10.0.0.1:26257 comes from Kubernetes for a service " +
      "named crdb: set CRDB_PORT for the container, or enableServiceLinks: false for the pod",
  ]);
});

test("the tutorial's variables describe a CockroachDB", () => {
  const env = { CRDB_PASSWORD: "s3cret", CRDB_SSL_ROOT_CERT: file("ca.crt") };
  const certificate = { CRDB_SSL_CERT: file("client.crt"), CRDB_SSL_KEY: file("client.key") };

  const { database } = parseConfig({ ...env, ...certificate });

  expect(database).toEqual({
    kind: "remote",
    engine: "cockroachdb",
    connection: {
      host: "localhost",
      port: 26_257,
      user: "root",
      password: "s3cret",
      database: "defaultdb",
      ssl: { rejectUnauthorized: true, ca: authority.cert, cert: client.cert, key: client.key },
    },
  });
});

test.each<[string, object]>([
  ["postgres://app:p%40ss%23@127.0.0.1/shop", { port: 5432, password: "p@ss#", ssl: false }],
  ["postgresql://app@[::1]:6000/shop?sslmode=verify-full", { host: "::1", port: 6000 }],
  ["cockroachdb://app@db.example.com/shop", { port: 26_257, ssl: { rejectUnauthorized: true } }],
  ["postgres://app@db.example.com/shop?sslmode=disable", { host: "db.example.com", ssl: false }],
  ["postgres://app@%2Frun%2Fpostgresql/shop", { host: "/run/postgresql", ssl: false }],
])("reads DATABASE_URL=%s", (url, connection) => {
  const { database } = parseConfig({ DATABASE_URL: url });

  expect(database).toMatchObject({
    kind: "remote",
    engine: url.startsWith("cockroachdb") ? "cockroachdb" : undefined,
    connection: { user: "app", database: "shop", ...connection },
  });
});

test.each([
  "mysql://u:s3cret@h/d",
  "postgres://u:12s3cret#@h/d",
  "postgres://u:s3cret@h1,h2:2/d",
  "postgres://u:s3cret%@h/d",
  "postgres://u:s3cret@h/",
  "postgres://:s3cret@h/d",
  "postgres://u@h/d?password=s3cret",
  "postgres://u:s3cret@h/d?sslmode=prefer",
  "s3cret",
])("refuses DATABASE_URL=%s without repeating it", (url) => {
  const problems = findProblems({ DATABASE_URL: url });

  expect(problems).toEqual([expect.stringMatching(/^DATABASE_URL: /)]);
  expect(problems[0]).not.toContain("s3cret");
});

test.each([
  ["require", undefined, ["127.0.0.1", "localhost"]],
  ["require", "ca.crt", ["127.0.0.1", "localhost"]],
  ["require", "alien.crt", []],
  ["verify-ca", "ca.crt", ["127.0.0.1", "localhost"]],
  ["verify-ca", "alien.crt", []],
  ["verify-full", "ca.crt", ["127.0.0.1"]],
  ["verify-full", undefined, []],
])("sslmode=%s with root certificate %s trusts what libpq trusts", async (mode, rootCert, trusted) => {
  // Given a server that shows a certificate of ca.crt for 127.0.0.1.
  await using listener = await listen();
  const root = rootCert === undefined ? {} : { CRDB_SSL_ROOT_CERT: file(rootCert) };
  const { database } = parseConfig({ CRDB_SSL_MODE: mode, ...root });

  // When it is connected to by its name and by another one, as node-postgres does it.
  const ssl = database.kind === "remote" && database.connection.ssl;
  const attempts = ["127.0.0.1", "localhost"].map(async (host) => {
    const socket = connect({ ...ssl, host, port: listener.port, lookup: listener.lookup });
    return new Promise<string[]>((resolve) => {
      socket.once("secureConnect", () => resolve([host])).once("error", () => resolve([]));
    }).finally(() => socket.destroy());
  });

  expect((await Promise.all(attempts)).flat()).toEqual(trusted);
});

async function listen() {
  const listener = createServer({ cert: server.cert, key: server.key }).on("tlsClientError", () => undefined);
  await new Promise<void>((resolve) => {
    listener.listen(0, "127.0.0.1", resolve);
  });
  return {
    port: (listener.address() as AddressInfo).port,
    lookup: ((_host, _options, done) => done(null, [{ address: "127.0.0.1", family: 4 }])) as LookupFunction,
    [Symbol.asyncDispose]: () => promisify(listener.close.bind(listener))(),
  };
}

test("refuses sslmode=verify-ca without a root certificate", () => {
  expect(findProblems({ CRDB_SSL_MODE: "verify-ca" })).toEqual([
    "CRDB_SSL_MODE: verify-ca needs CRDB_SSL_ROOT_CERT; with public authorities use verify-full",
  ]);
  expect(findProblems({ DATABASE_URL: "postgres://u@h/d?sslmode=verify-ca" })).toEqual([
    "DATABASE_URL sslmode: verify-ca needs DATABASE_URL sslrootcert; with public authorities use verify-full",
  ]);
});

test("the configuration is frozen, and node-postgres takes its connection", () => {
  const config = parseConfig({ CRDB_SSL_CERT: file("client.crt"), CRDB_SSL_KEY: file("client.key") });
  const { database } = config;

  expect([config, config.grpcAddr, config.pool, database].every((part) => Object.isFrozen(part))).toBe(true);
  expect(() => new pg.Pool(database.kind === "remote" ? database.connection : {})).not.toThrow();
});

test("a redacted configuration holds no secret", () => {
  const files = { CRDB_SSL_CERT: file("client.crt"), CRDB_SSL_KEY: file("client.key") };
  const redacted = redactedConfig(parseConfig({ CRDB_PASSWORD: "s3cret", ...files }));

  expect(redacted).toMatchObject({
    database: { connection: { host: "localhost", password: "[redacted]", ssl: true } },
  });
  expect(JSON.stringify(redacted)).not.toMatch(/s3cret|PRIVATE/);
});

test("the documentation has a row for each variable, between its markers", async () => {
  await writeFile(file("README.md"), "# A\n<!-- configuration -->\nold\n<!-- /configuration -->\nend\n");

  await promisify(execFile)("node", ["scripts/document-config.ts", file("README.md")]);

  const text = await readFile(file("README.md"), "utf8");
  expect(text.split("\n").flatMap((line) => /^\| `(\w+)` \| .* \| .+ \|$/.exec(line)?.[1] ?? [])).toEqual(
    names,
  );
  expect(text).toContain("| `CRDB_PORT` | `26257` | The CockroachDB port. |");
  expect(text).toMatch(/^# A\n<!-- configuration -->\n\n\|[^]*\|\n\n<!-- \/configuration -->\nend\n$/);
});

test("the documentation is not written where it has no markers", async () => {
  await writeFile(file("OTHER.md"), "# A\n");

  const run = promisify(execFile)("node", ["scripts/document-config.ts", file("OTHER.md")]);

  await expect(run).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining("has no lines <!-- conf"),
  });
});
