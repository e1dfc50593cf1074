import type { Socket } from "node:net";

/**
 * HTTP/2 opens with these bytes, of which the first three are the start of no HTTP/1.1 method (RFC 9113
 * §3.4).
 */
const PREFACE = "PRI";

/**
 * Looks at a connection's first bytes, without taking them, and says once what speaks there. A socket that
 * says too little within `msMax`, that ends or that breaks before is destroyed and reported as undefined.
 */
export function sniffProtocol(
  socket: Socket,
  msMax: number,
  onProtocol: (protocol: "h2" | "http/1.1" | undefined) => void,
): void {
  let seen = Buffer.alloc(0);
  const decide = (protocol: "h2" | "http/1.1" | undefined): void => {
    clearTimeout(timer);
    socket.off("readable", look).off("end", giveUp).off("close", giveUp).off("error", giveUp);
    if (protocol === undefined) {
      // What a broken socket still has to say concerns nobody.
      socket.on("error", () => {}).destroy();
    } else socket.unshift(seen);
    onProtocol(protocol);
  };
  const giveUp = (): void => decide(undefined);
  const look = (): void => {
    const chunk = socket.read() as Buffer | null;
    if (chunk === null) return;
    seen = Buffer.concat([seen, chunk]);
    const start = seen.subarray(0, PREFACE.length).toString("latin1");
    if (!PREFACE.startsWith(start)) decide("http/1.1");
    else if (start === PREFACE) decide("h2");
  };
  const timer = setTimeout(giveUp, msMax);
  socket.on("readable", look).on("end", giveUp).on("close", giveUp).on("error", giveUp);
}
