import type { ConnectionOptions } from "node:tls";

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
