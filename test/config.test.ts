import { expect, test } from "vitest";
import { parseConfig } from "../src/config.ts";
import { findProblems } from "./support/problems.ts";
import { silent } from "./support/telemetry.ts";

type Env = Record<string, string>;

test("without any variable the service runs on loopback with a database of its own", () => {
  const config = parseConfig({ PATH: "/bin", DATABASE_URL: "", LOG_LEVEL: undefined });

  expect(config).toEqual({
    grpcAddr: { host: "127.0.0.1", port: 50_051 },
    httpAddr: { host: "127.0.0.1", port: 8080 },
    corsOrigins: [],
    adminAddr: { host: "127.0.0.1", port: 9090 },
    workers: 1,
    database: { kind: "embedded", dataDir: ".data" },
    start: { waitMsMax: 30_000, migrations: "apply" },
    pool: {
      connsMax: 25,
      connsMin: 5,
      queueMax: 1024,
      waitMsMax: 1000,
      lifetimeMs: 300_000,
      idleMsMax: 300_000,
    },
    connections: { max: 2048, peerMax: 1024 },
    calls: {
      inFlightMax: 1024,
      streamsMax: 256,
      messageBytesMax: 4_194_304,
      deadlineMsDefault: 5000,
      deadlineMsMax: 60_000,
      streams: {},
      refusalMs: 86_400_000,
      coalesce: true,
    },
    tls: undefined,
    auth: undefined,
    logins: { attemptsMax: 5, delayMsMax: 900_000, callerFailuresMax: 300 },
    shutdown: { drainMs: 0, graceMs: 10_000 },
    unread: [],
    welcome: undefined,
    telemetry: { ...silent, logLevel: "info" },
  });
});

test("reads what is set", () => {
  const config = parseConfig({
    GRPC_ADDR: "[::]:0",
    HTTP_ADDR: "api.example.com:0",
    HTTP_CORS_ORIGINS: "https://shop.example.com:443, http://localhost:3000",
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
    STREAM_DEADLINE_DEFAULT: "10m",
    STREAM_DEADLINE_MAX: "24h",
    STREAM_IDLE_MAX: "30s",
    OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318",
  });

  expect(config).toMatchObject({
    grpcAddr: { host: "::", port: 0 },
    httpAddr: { host: "api.example.com", port: 0 },
    corsOrigins: ["https://shop.example.com", "http://localhost:3000"],
    tls: { certFile: "tls.crt", keyFile: "tls.key", clientCaFile: "ca.crt" },
    auth: {
      issuer: "https://issuer.example.com/",
      audience: "commerce",
      keys: { jwksUrl: "https://issuer.example.com/keys" },
    },
    // The default minimum gives way to the maximum that was set.
    pool: { connsMax: 3, connsMin: 3, lifetimeMs: 5_400_000 },
    calls: {
      messageBytesMax: 524_288,
      deadlineMsDefault: 250,
      streams: { deadlineMsDefault: 600_000, deadlineMsMax: 86_400_000, idleMsMax: 30_000 },
    },
    // Beyond loopback something balances the load, and has to see NOT_SERVING.
    shutdown: { drainMs: 5000 },
    telemetry: { traces: { url: "http://collector:4318/v1/traces", ratio: 1 } },
  });
});

test.each([
  ["GRPC_ADDR", "50051", "must be host:port"],
  ["GRPC_ADDR", ":50051", "must be host:port"],
  ["GRPC_ADDR", "::1:50051", "must be host:port"],
  ["GRPC_ADDR", "[127.0.0.1]:50051", "must be host:port"],
  ["GRPC_ADDR", "127.0.0.256:50051", "must be host:port"],
  ["HTTP_ADDR", "localhost:65536", 'not "localhost:65536"'],
  ["CRDB_HOST", "a,b:c", "must be a host name or an address"],
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
    "two listeners on one port",
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
    "a default of streams above their maximum",
    { STREAM_DEADLINE_DEFAULT: "2h", STREAM_DEADLINE_MAX: "1h" },
    ["STREAM_DEADLINE_DEFAULT, STREAM_DEADLINE_MAX: the default is longer than the longest"],
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
      "AUTH_ISSUER, AUTH_AUDIENCE: authentication needs AUTH_ISSUER, AUTH_AUDIENCE and one of " +
        "AUTH_JWKS_URL and AUTH_KEY_FILE",
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
      "DATABASE_ENGINE: is postgresql, but the CRDB_* variables select CockroachDB; " +
        "use DATABASE_URL for PostgreSQL",
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
    CRDB_SSL_ROOT_CERT: "absent.crt",
    CRDB_SSL_CERT: "package.json",
    CALL_DEADLINE_MAX: "soon",
    TLS_KEY_FILE: "tls.key",
  });

  expect(problems).toEqual([
    "CRDB_HOTS: is no variable of this service; did you mean CRDB_HOST?",
    expect.stringMatching(/^CALL_DEADLINE_MAX: must be a duration .*, not "soon"$/),
    'LOG_LEVEL: must be fatal, error, warn, info, debug, trace or silent, not "loud"',
    "CRDB_SSL_ROOT_CERT: absent.crt cannot be read (ENOENT)",
    "CRDB_SSL_CERT: package.json holds no PEM certificate",
    "CRDB_SSL_CERT, CRDB_SSL_KEY: must be set together",
    "TLS_KEY_FILE: TLS needs both TLS_CERT_FILE and TLS_KEY_FILE",
  ]);
});

test.each(["AUTH_JWKS_URL", "OTEL_EXPORTER_OTLP_ENDPOINT"])(
  "does not repeat a %s with a password",
  (name) => {
    expect(findProblems({ [name]: "https://user:s3cret@host/" })).toEqual([
      `${name}: must be an http:// or https:// URL without user and password`,
    ]);
  },
);

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
    "CRDB_PORT: must be a whole number from 1 to 65535; tcp://10.0.0.1:26257 comes from Kubernetes for a " +
      "service named crdb: set CRDB_PORT for the container, or enableServiceLinks: false for the pod",
  ]);
});
