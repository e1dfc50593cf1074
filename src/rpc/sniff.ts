import type { Socket } from "node:net";
import { bounds } from "../bounds.ts";

/** The protocol of a connection. */
export type Protocol = "h2" | "http/1.1" | "tls";

/** HTTP/2's preface begins with these bytes; its first three begin no HTTP/1.1 method (RFC 9113 §3.4). */
const PREFACE = "PRI";

/** The record type of a TLS handshake, which begins no HTTP (RFC 8446 §5.1). */
const HANDSHAKE = 0x16;

/**
 * Detects a connection's protocol from its first bytes without consuming them, and calls back once. A socket
 * that sends too little within `msMax`, ends or breaks is destroyed and reported as undefined.
 */
export function sniffProtocol(
  socket: Socket,
  onProtocol: (protocol: Protocol | undefined) => void,
  msMax: number = bounds.openingMs.max,
): void {
  let seen = Buffer.alloc(0);
  const decide = (protocol: Protocol | undefined): void => {
    clearTimeout(timer);
    socket.off("readable", look).off("end", giveUp).off("close", giveUp).off("error", giveUp);
    if (protocol === undefined) {
      // Further errors of a broken socket are ignored.
      socket.on("error", () => {}).destroy();
    } else socket.unshift(seen);
    onProtocol(protocol);
  };
  const giveUp = (): void => decide(undefined);
  const look = (): void => {
    const chunk: Buffer | null = socket.read();
    if (chunk === null) return;
    seen = Buffer.concat([seen, chunk]);
    const start = seen.subarray(0, PREFACE.length).toString("latin1");
    if (seen[0] === HANDSHAKE) decide("tls");
    else if (!PREFACE.startsWith(start)) decide("http/1.1");
    else if (start === PREFACE) decide("h2");
  };
  const timer = setTimeout(giveUp, msMax);
  socket.on("readable", look).on("end", giveUp).on("close", giveUp).on("error", giveUp);
}
