import net from "node:net";
import type { ConnectionOptions } from "node:tls";
import pg, { type ClientConfig } from "pg";
import type { Address, Connection } from "../../config.ts";
import { readCredentials } from "./credentials.ts";
import { hearBytes } from "./data-rows.ts";

/** Settings of a session, by their names. */
export type Settings = Readonly<Record<string, string | number>>;

/**
 * What every session of ours needs, whatever the role or the database has been given: node-postgres reads
 * printed timestamps in ISO's order.
 */
const sessionSettings: Settings = { datestyle: "ISO", timezone: "UTC" };

/**
 * What node-postgres takes, from the configuration: all connections are made of it. Each gets a name for the
 * server beside it (application_name). It leaves nothing else open, because node-postgres completes what is
 * open from PG* variables and from ~/.pgpass, which are other programs' and would not reach all connections
 * alike. A copy: node-postgres hides the key inside `ssl`, ours is frozen.
 */
export function toClientConfig(connection: Connection, settings: Settings = {}): ClientConfig {
  const { ssl, options, channelBinding = false, host, port, database } = connection;
  const own = Object.entries({ ...sessionSettings, ...settings }).map(
    ([name, value]) => `-c ${name}=${String(value).replaceAll(" ", "\\ ")}`,
  );
  return {
    host,
    port,
    database,
    ...readCredentials(connection),
    ssl: ssl && toTlsOptions(ssl),
    // The last setting of a name counts.
    options: [...(options === undefined ? [] : [options]), ...own].join(" "),
    client_encoding: "UTF8",
    sslnegotiation: "postgres",
    enableChannelBinding: channelBinding,
  };
}

/** What Node.js takes, from the configuration; a copy. */
export function toTlsOptions({ anyName, ...options }: Exclude<Connection["ssl"], false>): ConnectionOptions {
  return anyName === true ? { ...options, checkServerIdentity: () => undefined } : options;
}

/** The hosts of a connection, beginning with any one, so that replicas do not all begin with the same. */
function toHosts({ host, port, otherHosts = [] }: Connection): Address[] {
  const hosts = [{ host, port }, ...otherHosts];
  const first = Math.floor(Math.random() * hosts.length);
  return [...hosts.slice(first), ...hosts.slice(0, first)];
}

/** The class of the pool's clients: each connects to the next of the hosts, and hears rows as bytes. */
export function toClientClass(connection: Connection): typeof pg.Client {
  const hosts = toHosts(connection);
  let made = 0;
  return class extends pg.Client {
    constructor(config: ClientConfig) {
      // A copy of the configuration would lose what the pool hides.
      const own: ClientConfig = { ...hosts[made++ % hosts.length]!, ...readCredentials(connection) };
      super(Object.assign(Object.create(config) as ClientConfig, own));
      hearBytes(this);
    }
  };
}

/** A name that is looked up, a handshake and an answer take less, unless nothing answers. */
const connectMsMax = 10_000;

export type ConnectOptions = {
  /** What the connection is for, which the server shows behind our name. */
  readonly purpose: string;
  readonly settings?: Settings;
  /** Ends the attempt. */
  readonly signal?: AbortSignal | undefined;
};

/**
 * Opens a connection that does not belong to the pool. Its owner ends it. It leads to the first of several
 * hosts that lets it in; throws what the last one failed with.
 */
export async function connect(connection: Connection, options: ConnectOptions): Promise<pg.Client> {
  const [first, ...others] = toHosts(connection);
  let attempt = connectTo({ ...connection, ...first }, options);
  for (const host of others) attempt = attempt.catch(() => connectTo({ ...connection, ...host }, options));
  return attempt;
}

async function connectTo(
  connection: Connection,
  { purpose, settings, signal }: ConnectOptions,
): Promise<pg.Client> {
  signal?.throwIfAborted();
  const socket = new net.Socket();
  const client = new pg.Client({
    ...toClientConfig(connection, settings),
    application_name: `commerce-core ${purpose}`,
    connectionTimeoutMillis: connectMsMax,
    stream: () => socket,
  });
  // Without a listener, a connection that breaks ends the process; the statement that runs rejects anyway.
  client.on("error", () => {});
  const abandon = (): void => void socket.destroy(signal?.reason as Error);
  signal?.addEventListener("abort", abandon);
  try {
    await client.connect();
    return client;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    signal?.removeEventListener("abort", abandon);
  }
}
