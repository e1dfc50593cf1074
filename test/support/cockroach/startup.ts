import { type Message } from "../wire.ts";
import { defaults, readOptions, toUpstreamName, writeOptions } from "./variables.ts";

/** What a client asks for when it connects. */
export type Startup = {
  readonly user: string;
  readonly application: string;
  /** Its session variables. */
  readonly settings: ReadonlyMap<string, string>;
  /** The message that asks the same of PostgreSQL. */
  readonly upstream: Buffer;
};

/**
 * What suits the PostgreSQL behind: CockroachDB locks no table for a scan of a small one, and is serializable
 * whatever the client says or does not say.
 */
const upstreamSettings: readonly (readonly [string, string])[] = [
  ["default_transaction_isolation", "serializable"],
  ["enable_seqscan", "off"],
  ["enable_bitmapscan", "off"],
  ["plan_cache_mode", "force_generic_plan"],
];

/**
 * Reads the first message of a client. A parameter that CockroachDB does not know is no error there; it is
 * logged and forgotten:
 * https://github.com/cockroachdb/cockroach/blob/master/pkg/sql/pgwire/pre_serve_options.go.
 */
export function readStartup(
  { bytes }: Message,
  byDefault: (application: string) => Readonly<Record<string, string>>,
): Startup {
  const words = bytes.toString("utf8", 8).split("\0");
  const parameters = new Map<string, string>();
  for (let n = 0; n + 1 < words.length && words[n] !== ""; n += 2) parameters.set(words[n]!, words[n + 1]!);
  const { user = "", database = user, options = "", ...others } = Object.fromEntries(parameters);
  const application = others["application_name"] ?? "";
  const settings = new Map([
    ...defaults(),
    ["database", database] as const,
    ...Object.entries(byDefault(application)),
    ...readOptions(options),
    ...Object.entries(others).map(([name, value]) => [name.toLowerCase(), value] as const),
  ]);
  const mapped = Array.from(settings).flatMap(([name, value]) => {
    const upstream = toUpstreamName(name);
    return typeof upstream === "string" ? [[upstream, value] as const] : [];
  });
  const all = writeOptions([...upstreamSettings, ...mapped]);
  return { user, application, settings, upstream: writeStartup({ user, database, options: all }) };
}

function writeStartup(parameters: Readonly<Record<string, string>>): Buffer {
  const body = Object.entries(parameters).map(([name, value]) => `${name}\0${value}\0`);
  const bytes = Buffer.from(`        ${body.join("")}\0`);
  bytes.writeInt32BE(bytes.length, 0);
  bytes.writeInt32BE(3 << 16, 4);
  return bytes;
}
