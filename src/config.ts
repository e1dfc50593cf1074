import { checkAddresses, checkOrigins } from "./config/addresses.ts";
import { connectionVariables, type Remote, type Report, toCockroach } from "./config/connection.ts";
import { parseDatabaseUrl } from "./config/database-url.ts";
import { type Name, names, type Values, variables } from "./config/environment.ts";
import { isLoopback } from "./config/parsers.ts";
import { ConfigError } from "./config/problems.ts";
import { readSecrets, type SecretName } from "./config/secret-files.ts";
import { type IsGiven, toAuth, toTls } from "./config/security.ts";
import { toTelemetry } from "./config/traces.ts";
import { toWorkers } from "./config/shares.ts";
import type { Config } from "./config/types.ts";
import { found, unknownVariables, unreadVariables } from "./config/unknown.ts";

export { ConfigError } from "./config/problems.ts";
export type { Address, Config, Connection, Engine } from "./config/types.ts";

/**
 * Parses the configuration from an environment; an empty variable counts as unset. Reads the certificates of
 * the database connection. Throws one ConfigError that names every wrong variable, including unknown ones
 * with our prefixes; its message never contains a secret.
 */
export function parseConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const problems = unknownVariables(env);
  const secrets = readSecrets(env, (about, problem) => problems.push(`${about.join(", ")}: ${problem}`));
  const given: Partial<Record<Name, string>> = {
    ...Object.fromEntries(names.flatMap((name) => (env[name] ? [[name, env[name]]] : []))),
    ...secrets,
  };
  const unread = new Set<string>();
  for (const { path, message } of variables.safeParse(given).error?.issues ?? []) {
    const name = path[0] as Name;
    unread.add(name);
    problems.push(`${name}: ${message}${found(name, given[name] ?? "")}`);
  }
  // Valid variables are checked even if others are not: one error has to name all that is wrong.
  const values = variables.parse(
    Object.fromEntries(Object.entries(given).filter(([name]) => !unread.has(name))),
  );
  const report: Report = (about, problem) => {
    if (!about.some((name) => unread.has(name))) problems.push(`${about.join(", ")}: ${problem}`);
  };
  const config = build(values, (name) => name in given, report);
  if (problems.length > 0 || config === undefined) throw new ConfigError(problems);
  return freeze({ ...config, unread: unreadVariables(env) });
}

function build(values: Values, isGiven: IsGiven, report: Report): Omit<Config, "unread"> | undefined {
  const database = toDatabase(values, isGiven, report);
  const tls = toTls(values, isGiven, report);
  const auth = toAuth(values, isGiven, report);
  checkAddresses(values, tls !== undefined && auth !== undefined, report);
  checkOrigins(values, auth !== undefined, report);
  checkDeadlines(values, report);
  if (isGiven("CRDB_MIN_CONNS") && values.CRDB_MIN_CONNS > values.CRDB_MAX_CONNS) {
    report(["CRDB_MIN_CONNS", "CRDB_MAX_CONNS"], "the minimum is larger than the maximum");
  }
  const local = isLoopback(values.GRPC_ADDR.host) && isLoopback(values.HTTP_ADDR.host);
  return (
    database && {
      grpcAddr: values.GRPC_ADDR,
      httpAddr: values.HTTP_ADDR,
      corsOrigins: values.HTTP_CORS_ORIGINS ?? [],
      adminAddr: values.ADMIN_ADDR,
      database,
      workers: toWorkers(values, report),
      start: { waitMsMax: values.DATABASE_WAIT_MAX, migrations: values.MIGRATE },
      pool: {
        connsMax: values.CRDB_MAX_CONNS,
        connsMin: Math.min(values.CRDB_MIN_CONNS, values.CRDB_MAX_CONNS),
        queueMax: values.POOL_QUEUE_MAX,
        waitMsMax: values.POOL_WAIT_MAX,
        lifetimeMs: values.CRDB_MAX_CONN_LIFETIME,
        idleMsMax: values.CRDB_MAX_CONN_IDLE_TIME,
      },
      connections: { max: values.CONNECTIONS_MAX, peerMax: values.CONNECTIONS_PEER_MAX },
      calls: {
        inFlightMax: values.CALL_IN_FLIGHT_MAX,
        streamsMax: values.STREAM_IN_FLIGHT_MAX,
        messageBytesMax: values.CALL_MESSAGE_MAX,
        deadlineMsDefault: values.CALL_DEADLINE_DEFAULT,
        deadlineMsMax: values.CALL_DEADLINE_MAX,
        streams: {
          deadlineMsDefault: values.STREAM_DEADLINE_DEFAULT,
          deadlineMsMax: values.STREAM_DEADLINE_MAX,
          idleMsMax: values.STREAM_IDLE_MAX,
        },
        refusalMs: values.REFUSAL_RETENTION,
        coalesce: values.CALL_COALESCE === "true",
      },
      tls,
      auth,
      logins: {
        attemptsMax: values.LOGIN_ATTEMPTS_MAX,
        delayMsMax: values.LOGIN_DELAY_MAX,
        callerFailuresMax: values.LOGIN_CALLER_FAILURES_MAX,
      },
      // On loopback there is no load balancer. Elsewhere most poll health every few seconds.
      shutdown: { drainMs: values.SHUTDOWN_DRAIN ?? (local ? 0 : 5000), graceMs: values.SHUTDOWN_GRACE },
      welcome: values.WELCOME === "auto" ? undefined : values.WELCOME === "true",
      telemetry: toTelemetry(values, isGiven, report),
    }
  );
}

function checkDeadlines(values: Values, report: Report): void {
  for (const kind of ["CALL", "STREAM"] as const) {
    const about = [`${kind}_DEADLINE_DEFAULT`, `${kind}_DEADLINE_MAX`] as const;
    const [usual, longest] = about.map((name) => values[name]);
    if (usual !== undefined && longest !== undefined && usual > longest)
      report(about, "the default is longer than the longest");
  }
}

function toDatabase(values: Values, isGiven: IsGiven, report: Report): Config["database"] | undefined {
  const primary = toPrimary(values, isGiven, report);
  const { DATABASE_REPLICA_URL: url, DATABASE_ENGINE: engine } = values;
  if (url === undefined || primary === undefined) return primary;
  const replica = parseDatabaseUrl("DATABASE_REPLICA_URL", url, engine, report);
  if (primary.kind === "remote")
    return { ...primary, replica: replica && withFile(replica, values, "DATABASE_REPLICA_URL").connection };
  report(["DATABASE_REPLICA_URL"], "is set without a database: set DATABASE_URL or CRDB_HOST, too");
  return primary;
}

function toPrimary(values: Values, isGiven: IsGiven, report: Report): Config["database"] | undefined {
  const cockroach = connectionVariables.filter(isGiven);
  if (values.DATABASE_URL !== undefined) {
    if (cockroach.length > 0)
      report(["DATABASE_URL"], `conflicts with ${cockroach.join(", ")}; set one or the other`);
    const remote = parseDatabaseUrl("DATABASE_URL", values.DATABASE_URL, values.DATABASE_ENGINE, report);
    return remote && withFile(remote, values, "DATABASE_URL");
  }
  if (cockroach.length > 0) return withFile(toCockroach(values, report), values, "CRDB_PASSWORD");
  if (values.DATABASE_ENGINE === "cockroachdb") {
    report(["DATABASE_ENGINE"], "is cockroachdb, which needs CRDB_HOST or DATABASE_URL");
  }
  return { kind: "embedded", dataDir: values.DATA_DIR };
}

/** Notes the file that a connection's secret is from, so that it can be read again. */
function withFile(remote: Remote, values: Values, name: SecretName): Remote {
  const path = values[`${name}_FILE`];
  if (path === undefined) return remote;
  const holds = name === "CRDB_PASSWORD" ? "password" : "url";
  return {
    ...remote,
    connection: { ...remote.connection, secretFile: { name: `${name}_FILE`, path, holds } },
  };
}

/** Freezes deeply, except `ssl`: node-postgres redefines its key to keep it out of logs. */
function freeze<T extends object>(value: T): T {
  for (const [key, part] of Object.entries(value)) {
    if (typeof part === "object" && part !== null && key !== "ssl") freeze(part);
  }
  return Object.freeze(value);
}
