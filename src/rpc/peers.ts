import { isIPv6 } from "node:net";

/**
 * Returns the key by which connections of a peer are counted: its IPv4 address, also if it is mapped into
 * IPv6, or its /64 network in IPv6, since one host may have all of a network's addresses.
 */
export function toPeer(address: string): string {
  const plain = toPlain(address);
  return isIPv6(plain) ? toNetwork(plain) : plain;
}

type Socket = { readonly remoteAddress?: string | undefined };

/** The addresses of sessions' peers: a session that has ended does not tell it any more. */
const addresses = new WeakMap<object, string | undefined>();

/** Notes the address of a session's peer while its socket is there. */
export function rememberAddress(session: object, { remoteAddress }: Socket): void {
  addresses.set(session, remoteAddress);
}

/** The address of the peer of a connection: a session that was remembered, or a socket. */
export function toAddress(connection: object): string | undefined {
  const address = addresses.get(connection) ?? (connection as Socket).remoteAddress;
  return address === undefined ? undefined : toPlain(address);
}

/** An IPv4 address may be mapped into IPv6. */
function toPlain(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, "");
}

function toNetwork(address: string): string {
  const [head = "", tail] = address.replace(/%.*/, "").split("::");
  const left = head === "" ? [] : head.split(":");
  if (tail === undefined) return left.slice(0, 4).join(":");
  const right = tail === "" ? [] : tail.split(":");
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => "0");
  return [...left, ...zeros, ...right].slice(0, 4).join(":");
}
