import type { ConnectionOptions } from "node:tls";

/** Where to listen. Port 0 takes any free port. */
export type Address = { readonly host: string; readonly port: number };

/** The database engines that the service runs on. */
export type Engine = "postgresql" | "cockroachdb";

/** TLS to a database, as plain data that can be sent to another process. */
type Ssl = Pick<ConnectionOptions, "rejectUnauthorized" | "ca" | "cert" | "key"> & {
  /** Whether the certificate may be for any name, as long as its authority is trusted. */
  readonly anyName?: boolean;
};

/** How to reach a database; a subset of what node-postgres takes. */
export type Connection = {
  readonly host: string;
  readonly port: number;
  /** Other nodes of the same CockroachDB: each new connection is made to the next one. */
  readonly otherHosts?: readonly Address[];
  readonly user: string;
  readonly password?: string;
  /** The file that the password, or user and password in a URL, are from, and the variable that names it. */
  readonly secretFile?: {
    readonly name: string;
    readonly path: string;
    readonly holds: "password" | "url";
  };
  readonly database: string;
  readonly ssl: false | Ssl;
  /** For the server, as libpq's parameter of this name: `-c search_path=shop`. */
  readonly options?: string;
  /** Whether the password is bound to the TLS channel where the server can do that. */
  readonly channelBinding?: boolean;
};

/** All that the environment decides. Plain data, frozen. */
export type Config = {
  readonly grpcAddr: Address;
  readonly httpAddr: Address;
  /** Origins whose web pages may call the HTTP port; "*" is any. */
  readonly corsOrigins: readonly string[];
  readonly adminAddr: Address;
  /** Processes that serve calls; above 1 there is another one that leads them. */
  readonly workers: number;
  /**
   * An embedded server with its directory, or a remote one; `engine` is the one it must be, if configured,
   * and `replica` is where stale reads go.
   */
  readonly database:
    | { readonly kind: "embedded"; readonly dataDir: string }
    | {
        readonly kind: "remote";
        readonly connection: Connection;
        readonly engine: Engine | undefined;
        readonly replica?: Connection | undefined;
      };
  readonly start: {
    /** How long a start waits for a database that is away, in milliseconds. */
    readonly waitMsMax: number;
    /** What a start does about missing migrations. */
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
  /** Connections of each port for callers. */
  readonly connections: {
    readonly max: number;
    /** From one address. */
    readonly peerMax: number;
  };
  readonly calls: {
    readonly inFlightMax: number;
    /** Streams in flight, beside the calls. */
    readonly streamsMax: number;
    readonly messageBytesMax: number;
    readonly deadlineMsDefault: number;
    readonly deadlineMsMax: number;
    /** Override the contract's limits of streaming methods. */
    readonly streams: {
      readonly deadlineMsDefault?: number | undefined;
      readonly deadlineMsMax?: number | undefined;
      readonly idleMsMax?: number | undefined;
    };
    /** How long refusals are kept of calls that can be repeated, in milliseconds. */
    readonly refusalMs: number;
    /** Whether calls that arrive together share round trips, in batches. */
    readonly coalesce: boolean;
  };
  readonly tls:
    | { readonly certFile: string; readonly keyFile: string; readonly clientCaFile?: string }
    | undefined;
  readonly auth:
    | {
        readonly issuer: string;
        readonly audience: string;
        /** The `typ` that a token's header must have; undefined accepts any. */
        readonly tokenType?: string | undefined;
        readonly keys: { readonly jwksUrl: string } | { readonly keyFile: string };
      }
    | undefined;
  /** Limits of AuthenticateUser. */
  readonly logins: {
    /** Failures of one account before the next attempt has to wait; 0 switches all limits of attempts off. */
    readonly attemptsMax: number;
    readonly delayMsMax: number;
    /** Failures per minute of an authenticated caller; 0 switches this limit off. */
    readonly callerFailuresMax: number;
  };
  readonly shutdown: {
    /** From NOT_SERVING to GOAWAY: long enough for load balancers to poll health once more. */
    readonly drainMs: number;
    /** From GOAWAY until calls that still run are cut off. */
    readonly graceMs: number;
  };
  /** Variables of OpenTelemetry that are set and mean nothing to the service. */
  readonly unread: readonly string[];
  /** Whether standard output says to people what the service does; undefined: where they may look. */
  readonly welcome: boolean | undefined;
  readonly telemetry: {
    readonly logLevel: "fatal" | "error" | "warn" | "info" | "debug" | "trace" | "silent";
    /** Whether each call leaves a line in the log. */
    readonly accessLog: boolean;
    readonly serviceName: string;
    /** Attributes of OpenTelemetry's resource. */
    readonly attributes: Readonly<Record<string, string>>;
    /** Where traces are sent (OTLP over HTTP), and which are made; undefined: none. */
    readonly traces: Traces | undefined;
  };
};

/** The names and meanings of samplers are OpenTelemetry's. */
export type Traces = {
  readonly url: string;
  /** How long an export may take. */
  readonly timeoutMs: number;
  readonly sampler: `${"parentbased_" | ""}${"always_on" | "always_off" | "traceidratio"}`;
  readonly ratio: number;
};
