import type { Connection } from "./types.ts";
import {
  readSsl,
  type Remote,
  type Report,
  type SslFiles,
  type SslMode,
  sslModes,
  toPlaces,
} from "./connection.ts";
import { readDatabaseUrl } from "../database-url.ts";
import type { Values } from "./environment.ts";
import { isHost, isLoopback, parseHosts } from "./parsers.ts";

const taken = ["sslmode", "sslrootcert", "sslcert", "sslkey", "channel_binding", "options", "host"] as const;
type Taken = (typeof taken)[number];

const limitsConnections = "leave it out; CRDB_MAX_CONNS limits the connections";
const bounded = "leave it out; the service bounds what it waits for, at start by DATABASE_WAIT_MAX";
const belongsBeforeHost = "write it before the host: postgres://user:password@host/database";
const namesPrimary = "leave it out and name the host that accepts writes";

/** Parameters that other programs accept in a URL, and the replacement for each here. */
const advice: ReadonlyMap<string, string> = new Map([
  ["user", belongsBeforeHost],
  ["password", belongsBeforeHost],
  ["port", "write it behind the host: postgres://user:password@host:5432/database"],
  ["dbname", "write it behind the host: postgres://user:password@host/database"],
  ["hostaddr", "write the address as the host"],
  ["application_name", "leave it out; the service names its sessions itself"],
  ["connect_timeout", bounded],
  ["pool_timeout", "leave it out; POOL_WAIT_MAX says how long a call waits for a connection"],
  ["statement_timeout", "leave it out; each call has a deadline"],
  ["connection_limit", limitsConnections],
  ["max", limitsConnections],
  ["client_encoding", "leave it out; it is UTF8"],
  ["target_session_attrs", namesPrimary],
  ["load_balance_hosts", namesPrimary],
  ["schema", "write it as options=-c%20search_path%3Dschema"],
  ["ssl", "use sslmode=verify-full, require or disable"],
  ["sslnegotiation", "leave it out; TLS is negotiated as all servers support it"],
  ["sslcrl", "leave it out; revocation lists are not read"],
  ["pgbouncer", "leave it out, and connect directly: the service has its own pool"],
  ["keepalives", "leave it out; connections are kept alive"],
]);

/**
 * Parses a database URL and reads the files that it names; undefined if something is wrong with it. `name` is
 * the variable that it comes from.
 */
export function parseDatabaseUrl(
  name: "DATABASE_URL" | "DATABASE_REPLICA_URL",
  text: string,
  engine: Values["DATABASE_ENGINE"],
  report: Report,
): Remote | undefined {
  // No message quotes the URL or its parts: a mistake such as an unescaped @ or # may put the password
  // anywhere.
  const refuse = (problem: string) => {
    report([name], problem);
    return undefined;
  };
  const cockroach = text.startsWith("cockroachdb:");
  const { url, parts, others } = readDatabaseUrl(text);
  if (others !== undefined && !cockroach && engine !== "cockroachdb")
    return refuse("names several hosts, which only CockroachDB takes; name the one that takes writes");
  const isOurs = /^(postgres|postgresql|cockroachdb):$/.test(url?.protocol ?? "");
  if (url === null || parts === undefined || !isOurs || url.hash !== "") {
    const schemes = "postgres://user:password@host:port/database (or postgresql://, cockroachdb://)";
    return refuse(`must be ${schemes}, in which a password's special characters are percent-encoded`);
  }
  const parameter = (each: Taken) => url.searchParams.get(each) || undefined;
  const { user, password, database } = parts;
  const host = parts.host || parameter("host") || "";
  const isSocket = host.startsWith("/");
  if (parts.host !== "" && parameter("host") !== undefined) return refuse("names two hosts");
  const usualPort = cockroach ? 26_257 : 5432;
  const hosts = others === undefined ? [] : parseHosts(others);
  if (!(isSocket || isHost(host)) || hosts === undefined || user === "" || database === "")
    return refuse("must name a user, one host and a database");
  const wrong = findWrong(url.searchParams);
  wrong.forEach(refuse);
  if (wrong.length > 0) return undefined;
  const isLocal = isSocket || [host, ...hosts.map((each) => each.host)].every(isLoopback);
  const mode = parameter("sslmode") ?? (isLocal ? "disable" : "verify-full");
  if (cockroach && engine === "postgresql")
    report(["DATABASE_ENGINE"], `is postgresql, but ${name} begins with cockroachdb://`);
  const file = (each: Taken) => ({ name: `${name} ${each}`, path: parameter(each) });
  const files: SslFiles = { rootCert: file("sslrootcert"), cert: file("sslcert"), key: file("sslkey") };
  const options = parameter("options");
  const connection: Connection = {
    ...toPlaces([{ host, ...(url.port !== "" && { port: Number(url.port) }) }, ...hosts], usualPort),
    user,
    ...(password !== "" && { password }),
    database,
    ssl: readSsl(mode as SslMode, `${name} sslmode`, files, report),
    ...(options !== undefined && { options }),
    ...(parameter("channel_binding") === "prefer" && { channelBinding: true }),
  };
  return {
    kind: "remote",
    connection,
    engine: engine === "auto" ? (cockroach ? "cockroachdb" : undefined) : engine,
  };
}

/** Returns a line for each parameter that is not accepted, without its value, which may be a secret. */
function findWrong(parameters: URLSearchParams): string[] {
  const names = new Set(parameters.keys());
  return [...names].flatMap((name) => {
    const values = parameters.getAll(name);
    if (isTaken(name)) {
      const problem = values.length > 1 ? "is given twice" : judge(name, values[0]!);
      return problem === undefined ? [] : [`${name} ${problem}`];
    }
    const said = advice.get(name) ?? `known are ${taken.join(", ")}`;
    // An invalid name may be the rest of a password with an unescaped "?".
    return [`${/^\w{1,40}$/.test(name) ? name : "a parameter"} is not taken: ${said}`];
  });
}

function isTaken(name: string): name is Taken {
  return taken.some((each) => each === name);
}

/** Returns what is wrong with a parameter's value and what to write instead. */
function judge(name: Taken, value: string): string | undefined {
  if (name === "sslmode" && (value === "prefer" || value === "allow"))
    return `${value} may end in plain text, which has to be asked for: use verify-full, require or disable`;
  if (name === "sslmode" && !sslModes.some((each) => each === value))
    return `must be ${sslModes.slice(0, -1).join(", ")} or ${sslModes.at(-1)}`;
  if (name === "channel_binding" && value === "require")
    return "require cannot be insisted on: use prefer, with sslmode=verify-full against others in between";
  if (name === "channel_binding" && !["prefer", "disable"].includes(value))
    return "must be prefer or disable";
  return undefined;
}
