import { encode, pathOf } from "./calls.ts";
import { openClient } from "./client.ts";
import { readCpuMs } from "./cpu.ts";
import { UserService } from "./service/contract.ts";

/** What a peer is called in the table. */
export type PeerName = `peer ${string}`;

/** A server of the contract that somebody else has started. */
export type Peer = {
  readonly name: PeerName;
  /** Such as `http://127.0.0.1:50051`. */
  readonly origin: string;
  /** 0 where it was not given. */
  readonly pid: number;
};

/** A peer cannot be measured; the message says why, in the words for the one who has named it. */
export class PeerError extends Error {
  override readonly name = "PeerError";
}

/** Reads `host:port`, `http://host:port` or `https://host:port`, each with its process if pids are given. */
export function parsePeers(urls: readonly string[], pids: readonly string[]): Peer[] {
  if (pids.length > 0 && pids.length !== urls.length)
    throw new Error("--peer-pid is given once for each --peer, in the same order, or not at all");
  return urls.map((url, n) => {
    const origin = toOrigin(url);
    return { name: `peer ${new URL(origin).host}`, origin, pid: toPid(pids[n]) };
  });
}

function toOrigin(text: string): string {
  const url = URL.parse(text.includes("://") ? text : `http://${text}`);
  const isOrigin = url !== null && url.pathname === "/" && url.search === "" && url.hash === "";
  if (!isOrigin || !["http:", "https:"].includes(url.protocol) || url.hostname === "" || url.username !== "")
    throw new Error(`--peer takes host:port, http://host:port or https://host:port, which ${text} is not`);
  return url.origin;
}

function toPid(text = "0"): number {
  const pid = Number(text);
  try {
    readCpuMs(pid);
  } catch {
    throw new Error(`--peer-pid: the processor time of a process ${text} cannot be read`);
  }
  return pid;
}

/** Throws a PeerError unless what answers at the peer's address speaks HTTP/2. */
export async function expectReachable({ origin }: Peer): Promise<void> {
  const { getUser } = UserService.method;
  try {
    using client = await openClient([origin], 1);
    await client.call(pathOf(getUser), encode(getUser, {}));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new PeerError(`nothing speaks HTTP/2 at ${origin}: ${code ?? message}`);
  }
}
