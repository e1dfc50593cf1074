import { readFileSync } from "node:fs";
import { bounds } from "../bounds.ts";

/**
 * What the process needs besides callers and the database: Node.js has some twenty files open, a certificate
 * is read again; probes must get in when nothing else does; connections that were told to go stay a moment.
 */
const RESERVED = 64 + bounds.adminConnections.max + 2 * bounds.closingConnections.max;
/** With fewer for each port a service is not of much use, and its limit a mistake. */
const CONNECTIONS_MIN = 16;

/**
 * How many callers may be connected with each of the two ports so that descriptors are left for the probes
 * and for `databaseConnections`; without a known limit, any number.
 */
export function shareDescriptors(databaseConnections: number, limit = readLimit()): number {
  return Math.max(CONNECTIONS_MIN, Math.floor((limit - RESERVED - databaseConnections) / 2));
}

/** The process' limit of open files, which Node.js has raised as far as it may; Linux tells it. */
function readLimit(): number {
  try {
    const limits = readFileSync("/proc/self/limits", "utf8");
    return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Infinity);
  } catch {
    return Infinity;
  }
}
