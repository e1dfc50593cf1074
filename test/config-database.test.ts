import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { AddressInfo, LookupFunction } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { connect, createServer, getCACertificates } from "node:tls";
import { promisify } from "node:util";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseConfig } from "../src/config.ts";
import { toTlsOptions } from "../src/db/engine/connection.ts";
import { redactedConfig } from "../src/config/redacted.ts";
import { createAuthority } from "./support/certificates.ts";
import { findProblems } from "./support/problems.ts";

const systemAuthorities = getCACertificates("system");

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
});

afterAll(() => rm(directory, { recursive: true }));

function file(name: string): string {
  return path.join(directory, name);
}

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
  ["postgres://app@/shop?host=/run/postgresql", { host: "/run/postgresql", ssl: false }],
  ["postgres://app:a,b@:6000/shop?host=/run", { host: "/run", port: 6000, password: "a,b" }],
  ["postgres://app@h/shop?options=-c%20search_path%3Dshop", { options: "-c search_path=shop" }],
  ["postgres://app@h/shop?channel_binding=prefer", { channelBinding: true }],
  ["postgres://app@h/shop?sslrootcert=system", { ssl: { rejectUnauthorized: true, ca: systemAuthorities } }],
])("reads DATABASE_URL=%s", (url, connection) => {
  const { database } = parseConfig({ DATABASE_URL: url });

  expect(database).toMatchObject({
    kind: "remote",
    engine: url.startsWith("cockroachdb") ? "cockroachdb" : undefined,
    connection: { user: "app", database: "shop", ...connection },
  });
});

test.each([
  ["sslmode=prefer", "sslmode prefer may end in plain text, which has to be asked for: use verify-full, "],
  ["sslmode=allow", "sslmode allow may end in plain text"],
  ["sslmode=maybe", "sslmode must be disable, require, verify-ca or verify-full"],
  [
    "sslmode=require&sslrootcert=system",
    "sslmode: must be verify-full where DATABASE_URL sslrootcert is system",
  ],
  ["sslmode=require&sslmode=disable", "sslmode is given twice"],
  ["channel_binding=require", "channel_binding require cannot be insisted on: use prefer, with "],
  ["connect_timeout=10", "connect_timeout is not taken: leave it out; the service bounds what it waits for"],
  ["application_name=shop", "application_name is not taken: leave it out; the service names its sessions"],
  ["target_session_attrs=read-write", "target_session_attrs is not taken: leave it out and name the host"],
  ["user=app", "user is not taken: write it before the host"],
  ["port=1", "port is not taken: write it behind the host"],
  ["schema=shop", "schema is not taken: write it as options=-c%20search_path%3Dschema"],
  ["connection_limit=5", "connection_limit is not taken: leave it out; CRDB_MAX_CONNS limits"],
  ["nonsense=1", "nonsense is not taken: known are sslmode, sslrootcert, sslcert, sslkey, channel_binding, "],
  ["host=other", "names two hosts"],
])("names what is wrong in DATABASE_URL with %s", (parameters, problem) => {
  const problems = findProblems({ DATABASE_URL: `postgres://app@h/shop?${parameters}` });

  expect(problems).toHaveLength(1);
  expect(problems[0]).toMatch(/^DATABASE_URL:? /);
  expect(problems[0]!.replace(/^DATABASE_URL:? /, "")).toContain(problem);
});

test("names each parameter of DATABASE_URL that it does not take", () => {
  const url = "postgres://app@h/shop?connect_timeout=10&application_name=a&sslmode=prefer";

  const problems = findProblems({ DATABASE_URL: url });

  expect(problems.map((problem) => problem.split(" ")[1])).toEqual([
    "connect_timeout",
    "application_name",
    "sslmode",
  ]);
});

test.each([
  "mysql://u:s3cret@h/d",
  "postgres://u:12s3cret#@h/d",
  "postgres://u@h/d#s3cret",
  "postgres://u:s3cret@h1,h2:2/d",
  "postgres://u:s3cret%@h/d",
  "postgres://u:s3cret@h/",
  "postgres://:s3cret@h/d",
  "postgres://u@h/d?password=s3cret",
  "postgres://u:12?s3cret@h/d",
  "postgres://u@h/d?x/s3cret@h=1",
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
    const socket = connect({
      ...(ssl && toTlsOptions(ssl)),
      host,
      port: listener.port,
      lookup: listener.lookup,
    });
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

test("refuses a key that is not that of the certificate", () => {
  const problems = findProblems({ CRDB_SSL_CERT: file("ca.crt"), CRDB_SSL_KEY: file("client.key") });

  expect(problems).toEqual(["CRDB_SSL_CERT, CRDB_SSL_KEY: the key is not that of the certificate"]);
});

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
