import { BlockList, isIP, isIPv6 } from "node:net";
import { z } from "zod";

export const kibi = 1024;
export const mebi = 1024 * kibi;
export const secondMs = 1000;
export const minuteMs = 60 * secondMs;
export const hourMs = 60 * minuteMs;

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/** Whether the host is certainly this machine. Names other than localhost may resolve to any address. */
export function isLoopback(host: string): boolean {
  const family = isIP(host);
  return family === 0
    ? host.toLowerCase() === "localhost"
    : loopback.check(host, family === 4 ? "ipv4" : "ipv6");
}

/** A schema for text that `parse` converts, or rejects with undefined; `must` says what is allowed. */
function parsed<T>(must: string, parse: (text: string) => T | undefined) {
  return z.string().transform((text, context): T => {
    const value = parse(text);
    if (value !== undefined) return value;
    context.addIssue(`must be ${must}`);
    return z.NEVER;
  });
}

export function choice<const T extends readonly [string, ...string[]]>(...values: T) {
  return z.enum(values, `must be ${values.slice(0, -1).join(", ")} or ${values.at(-1)}`);
}

export function address() {
  return parsed(
    "host:port, such as 127.0.0.1:50051, [::1]:50051 or 0.0.0.0:0 (port 0: any free port)",
    (text) => {
      const match = /^(?:\[(?<ipv6>[^\]]+)\]|(?<host>[^:[\]]+)):(?<port>\d{1,5})$/.exec(text)?.groups;
      const port = Number(match?.["port"]);
      const host = match?.["ipv6"] ?? match?.["host"];
      if (host === undefined || port > 65_535) return undefined;
      return (match?.["ipv6"] === undefined ? isHost(host) : isIPv6(host)) ? { host, port } : undefined;
    },
  );
}

/** A name or address to connect to, with a port if it is not the usual one. */
export type Host = { readonly host: string; readonly port?: number };

/** Names or addresses to connect to. */
export function hosts() {
  return parsed("a host name or an address, or several: db1,db2:26258,[::1]:26257", parseHosts);
}

/** Reads names or addresses with commas between them; undefined if one is neither, or has a wrong port. */
export function parseHosts(text: string): readonly [Host, ...Host[]] | undefined {
  const [first, ...others] = text.split(",").map(parseHost);
  return first && others.every((host) => host !== undefined) ? [first, ...others] : undefined;
}

function parseHost(text: string): Host | undefined {
  if (isHost(text)) return { host: text };
  const [, ipv6, host = ipv6, port] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  if (host === undefined || !(ipv6 === undefined ? isHost(host) : isIPv6(host))) return undefined;
  if (port === undefined) return { host };
  return Number(port) > 0 && Number(port) <= 65_535 ? { host, port: Number(port) } : undefined;
}

/**
 * Whether the text is an address or a name. A name whose last label is a number would be a mistyped address.
 */
export function isHost(text: string): boolean {
  return isIP(text) !== 0 || (/^[\w-]+(\.[\w-]+)*\.?$/.test(text) && !/(^|\.)\d+$/.test(text));
}

export function integer(min: number, max: number) {
  return parsed(`a whole number from ${min} to ${max}`, (text) => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : -1;
    return value >= min && value <= max ? value : undefined;
  });
}

export function duration(minMs: number, maxMs: number) {
  const units: Readonly<Record<string, number>> = { ms: 1, s: secondMs, m: minuteMs, h: hourMs };
  const range = `from ${durationText(minMs)} to ${durationText(maxMs)}`;
  return parsed(`a duration such as 500ms, 30s, 5m or 1h30m, ${range}`, (text) => {
    if (!/^(\d{1,9}(ms|s|m|h))+$/.test(text)) return undefined;
    const parts = [...text.matchAll(/(\d+)(ms|s|m|h)/g)];
    const value = parts.reduce((sum, [, count, unit = ""]) => sum + Number(count) * (units[unit] ?? 0), 0);
    return value >= minMs && value <= maxMs ? value : undefined;
  });
}

function durationText(ms: number): string {
  if (ms > 0 && ms % hourMs === 0) return `${ms / hourMs}h`;
  if (ms > 0 && ms % minuteMs === 0) return `${ms / minuteMs}m`;
  return ms % secondMs === 0 ? `${ms / secondMs}s` : `${ms}ms`;
}

export function size(min: number, max: number) {
  const units: Record<string, number> = { "": 1, KiB: kibi, MiB: mebi };
  return parsed(`a size such as 65536, 512KiB or 4MiB, from ${min / kibi}KiB to ${max / mebi}MiB`, (text) => {
    const [, count, unit = ""] = /^(\d{1,9})(KiB|MiB)?$/.exec(text) ?? [];
    const value = Number(count) * (units[unit] ?? 0);
    return value >= min && value <= max ? value : undefined;
  });
}

export function url() {
  return parsed("an http:// or https:// URL without user and password", (text) => {
    const value = URL.parse(text);
    if (value === null || !/^https?:$/.test(value.protocol)) return undefined;
    return value.username === "" && value.password === "" ? value : undefined;
  });
}

/** Origins of web pages, separated by commas. */
export function origins() {
  const must = "* or origins such as https://shop.example.com, separated by commas and without a path";
  return parsed(must, (text) => {
    if (text.trim() === "*") return ["*"];
    const values = text.split(",").map((part) => toOrigin(part.trim()));
    return values.some((value) => value === undefined) ? undefined : (values as string[]);
  });
}

function toOrigin(text: string): string | undefined {
  const value = URL.parse(text);
  if (value === null || !/^https?:$/.test(value.protocol)) return undefined;
  // All else of a URL would be ignored, which its author would not expect.
  return value.href === `${value.origin}/` ? value.origin : undefined;
}

/** A number from 0 to 1. */
export function fraction() {
  return parsed("a number from 0 to 1, such as 0.25", (text) => {
    const value = /^(0|1|0?\.\d{1,9}|0\.0*|1\.0*)$/.test(text) ? Number(text) : -1;
    return value >= 0 && value <= 1 ? value : undefined;
  });
}

/** Names with values, as OpenTelemetry writes them: percent-encoded, with commas between them. */
export function attributes() {
  return parsed("name=value pairs with commas between them, percent-encoded where needed", (text) => {
    const pairs = text.split(",").map((part) => /^\s*([^=\s]+)\s*=\s*([^=]*?)\s*$/.exec(part));
    try {
      return Object.fromEntries(pairs.map((pair) => [pair![1]!, decodeURIComponent(pair![2]!)]));
    } catch {
      return undefined;
    }
  });
}
