import { isIPv6 } from "node:net";
import { toPlainAddress } from "../telemetry/addresses.ts";

/**
 * Returns the key by which connections of a peer are counted: its IPv4 address, also if it is mapped into
 * IPv6, or its /64 network in IPv6, since one host may have all of a network's addresses.
 */
export function toPeer(address: string): string {
  const plain = toPlainAddress(address);
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
