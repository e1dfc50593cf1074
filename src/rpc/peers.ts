import { isIPv6 } from "node:net";

/**
 * What stands for a peer where connections are counted: its address, and of IPv6 the network of 64 bits, of
 * which one host may have all addresses. An IPv4 address in the clothes of IPv6 counts as what it is.
 */
export function toPeer(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, "");
  return isIPv6(plain) ? toNetwork(plain) : plain;
}

function toNetwork(address: string): string {
  const [head = "", tail] = address.replace(/%.*/, "").split("::");
  const left = head === "" ? [] : head.split(":");
  if (tail === undefined) return left.slice(0, 4).join(":");
  const right = tail === "" ? [] : tail.split(":");
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => "0");
  return [...left, ...zeros, ...right].slice(0, 4).join(":");
}
