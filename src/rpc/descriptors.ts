import { readFileSync } from "node:fs";
import { bounds } from "../bounds.ts";

/**
 * Descriptors for other purposes than callers and the database: some twenty files of Node.js, a certificate
 * that is reloaded, the admin port, which must stay reachable, and connections that are closing.
 */
const RESERVED = 64 + bounds.adminConnections.max + 2 * bounds.closingConnections.max;
/** Fewer connections per port make the service useless; such a limit is a mistake of the operator. */
const CONNECTIONS_MIN = 16;

/**
 * Returns how many connections each of the two ports may have, so that descriptors are left for probes and
 * for `databaseConnections`. Infinity if the limit is unknown.
 */
export function shareDescriptors(databaseConnections: number, limit = readLimit()): number {
  return Math.max(CONNECTIONS_MIN, Math.floor((limit - RESERVED - databaseConnections) / 2));
}

/** The process' limit of open files, which Node.js has raised to the maximum; only Linux reports it. */
function readLimit(): number {
  try {
    const limits = readFileSync("/proc/self/limits", "utf8");
    return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Infinity);
  } catch {
    return Infinity;
  }
}
