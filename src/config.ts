import type { ConnectionOptions } from "node:tls";
import { checkAddresses } from "./config/addresses.ts";
import { connectionVariables, type Report, toCockroach } from "./config/connection.ts";
import { parseDatabaseUrl } from "./config/database-url.ts";
import { type Name, names, type Values, variables } from "./config/environment.ts";
import { isLoopback } from "./config/parsers.ts";
import { type IsGiven, toAuth, toTls } from "./config/security.ts";
import { found, unknownVariables } from "./config/unknown.ts";

/** Where to listen. Port 0 takes any free port. */
export type Address = { readonly host: string; readonly port: number };

/** The database engines that the service runs on. */
export type Engine = "postgresql" | "cockroachdb";

/** How to reach a database; a subset of what node-postgres takes. */
export type Connection = {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password?: string;
  readonly database: string;
  readonly ssl: false | ConnectionOptions;
  /** For the server, as libpq's parameter of this name: `-c search_path=shop`. */
  readonly options?: string;
  /** Whether the password is bound to the TLS channel where the server can do that. */
  readonly channelBinding?: boolean;
};

/** All that the environment decides. Plain data, frozen. */
export type Config = {
  readonly grpcAddr: Address;
  readonly httpAddr: Address;
  readonly adminAddr: Address;
  /** A server of our own in a directory, or one that runs elsewhere, of this engine if one is configured. */
  readonly database:
    | { readonly kind: "embedded"; readonly dataDir: string }
    | { readonly kind: "remote"; readonly connection: Connection; readonly engine: Engine | undefined };
  readonly start: {
    /** How long to wait for a database that is away. */
    readonly waitMsMax: number;
    /** What to do about migrations that the database lacks. */
    readonly migrations: "apply" | "check" | "off";
  };
  readonly pool: {
    readonly connsMax: number;
    readonly connsMin: number;
    /** Calls that may wait for a connection; more are answered RESOURCE_EXHAUSTED. */
    readonly queueMax: number;
    /** How long a call waits for a connection before it is answered RESOURCE_EXHAUSTED. */
    readonly waitMsMax: number;
    readonly lifetimeMs: number;
    readonly idleMsMax: number;
  };
  /** Of each port for callers. */
  readonly connections: {
    readonly max: number;
    /** From one address. */
    readonly peerMax: number;
  };
  readonly calls: {
    readonly inFlightMax: number;
    /** Streams that run at once, beside the calls. */
    readonly streamsMax: number;
    readonly messageBytesMax: number;
    readonly deadlineMsDefault: number;
    readonly deadlineMsMax: number;
    /** What goes before the limits that the contract has for methods that stream. */
    readonly streams: {
      readonly deadlineMsDefault?: number | undefined;
      readonly deadlineMsMax?: number | undefined;
      readonly idleMsMax?: number | undefined;
    };
    /** Whether calls that arrive together share round trips. */
    readonly coalesce: boolean;
  };
  readonly tls:
    | { readonly certFile: string; readonly keyFile: string; readonly clientCaFile?: string }
    | undefined;
  readonly auth:
    | {
        readonly issuer: string;
        readonly audience: string;
        /** The `typ` that tokens must have in their header; any without it. */
        readonly tokenType?: string | undefined;
        readonly keys: { readonly jwksUrl: string } | { readonly keyFile: string };
      }
    | undefined;
  /** Attempts to authenticate. */
  readonly logins: {
    /** Failures of one account before the next attempt has to wait; 0: attempts are not limited at all. */
    readonly attemptsMax: number;
    readonly delayMsMax: number;
    /** Failures that a known caller may cause in a minute; 0: callers are not limited. */
    readonly callerFailuresMax: number;
  };
  readonly shutdown: {
    /** Between NOT_SERVING and GOAWAY: long enough for balancers to look at health once more. */
    readonly drainMs: number;
    /** Between GOAWAY and the end of the calls that still run. */
    readonly graceMs: number;
  };
  readonly logLevel: "fatal" | "error" | "warn" | "info" | "debug" | "trace" | "silent";
  /** Where traces go (OTLP over HTTP); none without it. */
  readonly tracesEndpoint: string | undefined;
};

/** The configuration is wrong. The message is for the operator: a line for each problem, naming variables. */
export class ConfigError extends Error {
  constructor(problems: readonly string[]) {
    super(["The configuration is wrong:", ...problems].join("\n  "));
    this.name = "ConfigError";
  }
}

/**
 * The configuration that an environment describes; an empty variable counts as one that is not set. Reads the
 * certificates of the database connection. Throws one ConfigError that names every variable that is wrong,
 * also those that look like ours and are not; it never holds a secret.
 */
export function parseConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const given = Object.fromEntries(names.flatMap((name) => (env[name] ? [[name, env[name]]] : [])));
  const problems = unknownVariables(env);
  const unread = new Set<string>();
  for (const { path, message } of variables.safeParse(given).error?.issues ?? []) {
    const name = path[0] as Name;
    unread.add(name);
    problems.push(`${name}: ${message}${found(name, given[name] ?? "")}`);
  }
  // What can be read is checked although other variables cannot: one error is to name all that is wrong.
  const values = variables.parse(
    Object.fromEntries(Object.entries(given).filter(([name]) => !unread.has(name))),
  );
  const report: Report = (about, problem) => {
    if (!about.some((name) => unread.has(name))) problems.push(`${about.join(", ")}: ${problem}`);
  };
  const config = build(values, (name) => name in given, report);
  if (problems.length > 0 || config === undefined) throw new ConfigError(problems);
  return freeze(config);
}

function build(values: Values, isGiven: IsGiven, report: Report): Config | undefined {
  const database = toDatabase(values, isGiven, report);
  const tls = toTls(values, isGiven, report);
  const auth = toAuth(values, isGiven, report);
  checkAddresses(values, tls !== undefined && auth !== undefined, report);
  if (values.CALL_DEADLINE_DEFAULT > values.CALL_DEADLINE_MAX) {
    report(["CALL_DEADLINE_DEFAULT", "CALL_DEADLINE_MAX"], "the default is longer than the longest");
  }
  const { STREAM_DEADLINE_DEFAULT: streamDefault, STREAM_DEADLINE_MAX: streamMax } = values;
  if (streamDefault !== undefined && streamMax !== undefined && streamDefault > streamMax) {
    report(["STREAM_DEADLINE_DEFAULT", "STREAM_DEADLINE_MAX"], "the default is longer than the longest");
  }
  if (isGiven("CRDB_MIN_CONNS") && values.CRDB_MIN_CONNS > values.CRDB_MAX_CONNS) {
    report(["CRDB_MIN_CONNS", "CRDB_MAX_CONNS"], "the minimum is larger than the maximum");
  }
  const local = isLoopback(values.GRPC_ADDR.host) && isLoopback(values.HTTP_ADDR.host);
  return (
    database && {
      grpcAddr: values.GRPC_ADDR,
      httpAddr: values.HTTP_ADDR,
      adminAddr: values.ADMIN_ADDR,
      database,
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
        coalesce: values.CALL_COALESCE === "true",
      },
      tls,
      auth,
      logins: {
        attemptsMax: values.LOGIN_ATTEMPTS_MAX,
        delayMsMax: values.LOGIN_DELAY_MAX,
        callerFailuresMax: values.LOGIN_CALLER_FAILURES_MAX,
      },
      // On loopback no balancer looks at health. Elsewhere most look every few seconds.
      shutdown: { drainMs: values.SHUTDOWN_DRAIN ?? (local ? 0 : 5000), graceMs: values.SHUTDOWN_GRACE },
      logLevel: values.LOG_LEVEL,
      tracesEndpoint: values.OTEL_EXPORTER_OTLP_ENDPOINT?.href,
    }
  );
}

function toDatabase(values: Values, isGiven: IsGiven, report: Report): Config["database"] | undefined {
  const cockroach = connectionVariables.filter(isGiven);
  if (values.DATABASE_URL !== undefined) {
    if (cockroach.length > 0)
      report(["DATABASE_URL"], `conflicts with ${cockroach.join(", ")}; set one or the other`);
    return parseDatabaseUrl(values.DATABASE_URL, values.DATABASE_ENGINE, report);
  }
  if (cockroach.length > 0) return toCockroach(values, report);
  if (values.DATABASE_ENGINE === "cockroachdb") {
    report(["DATABASE_ENGINE"], "is cockroachdb, which needs CRDB_HOST or DATABASE_URL");
  }
  return { kind: "embedded", dataDir: values.DATA_DIR };
}

/** Frozen all the way down, but for `ssl`: node-postgres redefines its key, so that logs do not show it. */
function freeze<T extends object>(value: T): T {
  for (const [key, part] of Object.entries(value)) {
    if (typeof part === "object" && part !== null && key !== "ssl") freeze(part);
  }
  return Object.freeze(value);
}
