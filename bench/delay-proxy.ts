// A TCP proxy that is far from its upstream: each direction takes half of the delay. The parent tells it how
// far, and is answered the port that it listens on.
import { once } from "node:events";
import net from "node:net";
import process from "node:process";

/** From the parent: where to connect to, and the delay of a round trip from now on. */
export type Distance = { readonly port: number; readonly delayMs: number };

/** Timers are late by up to this; the rest is waited for awake. */
const timerSlackMs = 1.5;

let distance: Distance = { port: 0, delayMs: 0 };

const listener = net.createServer({ noDelay: true }, (client) => {
  const upstream = net.connect({ host: "127.0.0.1", port: distance.port, noDelay: true });
  forward(client, upstream);
  forward(upstream, client);
});
const listening = once(listener.listen(0, "127.0.0.1"), "listening");
process.on("message", (message: Distance) => {
  distance = message;
  void listening.then(() => process.send!((listener.address() as net.AddressInfo).port));
});

function forward(from: net.Socket, to: net.Socket): void {
  const waiting: { readonly chunk: Buffer; readonly due: number }[] = [];
  const pump = (): void => {
    for (let first = waiting[0]; first !== undefined && first.due <= performance.now(); first = waiting[0]) {
      to.write(first.chunk);
      waiting.shift();
    }
    if (waiting[0] === undefined) return;
    const restMs = waiting[0].due - performance.now();
    if (restMs > timerSlackMs) setTimeout(pump, restMs - timerSlackMs);
    else setImmediate(pump);
  };
  from.on("data", (chunk) => {
    waiting.push({ chunk, due: performance.now() + distance.delayMs / 2 });
    if (waiting.length === 1) pump();
  });
  from.on("error", () => {});
  from.on("close", () => to.destroy());
}
