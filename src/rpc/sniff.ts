import type { Socket } from "node:net";
import { bounds } from "../bounds.ts";

/** What a connection begins with. */
export type Protocol = "h2" | "http/1.1" | "tls";

/**
 * HTTP/2 opens with these bytes, of which the first three are the start of no HTTP/1.1 method (RFC 9113
 * §3.4).
 */
const PREFACE = "PRI";

/** The type of the record that a TLS handshake begins with, and no HTTP (RFC 8446 §5.1). */
const HANDSHAKE = 0x16;

/**
 * Looks at a connection's first bytes, without taking them, and says once what speaks there. A socket that
 * says too little within `msMax`, that ends or that breaks before is destroyed and reported as undefined.
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
      // What else a broken socket reports is of no use.
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
