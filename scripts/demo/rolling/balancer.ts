import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Place } from "./replica.ts";

/** What the balancer knows of a replica. */
export type Backend = {
  readonly place: Place;
  isReady: boolean;
  /** Connections that lead to it. */
  connections: number;
};

/** A balancer of TCP connections. Disposal closes it. */
export type Balancer = AsyncDisposable & { readonly url: string; readonly backends: readonly Backend[] };

/** Kubernetes asks every second at most, Envoy as often as it is told to. */
const probeMs = 250;

/**
 * Starts a balancer before replicas: it asks each for its readiness, gives new connections to those that are
 * ready, in turn, and leaves open ones alone.
 */
export async function startBalancer(places: readonly Place[]): Promise<Balancer> {
  const backends = places.map((place): Backend => ({ place, isReady: true, connections: 0 }));
  const sockets = new Set<Socket>();
  let next = 0;
  const server = createServer({ noDelay: true }, (caller) => {
    const ready = backends.filter(({ isReady }) => isReady);
    const backend = ready[next++ % ready.length];
    if (backend) join(caller, backend, sockets);
    else caller.destroy();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const closing = new AbortController();
  const probing = Promise.all(backends.map((backend) => probe(backend, closing.signal)));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    backends,
    async [Symbol.asyncDispose]() {
      closing.abort();
      server.close();
      for (const socket of sockets) socket.destroy();
      await probing;
    },
  };
}

/** Joins a connection with one to a backend: what either side ends or breaks ends or breaks on the other. */
function join(caller: Socket, backend: Backend, sockets: Set<Socket>): void {
  const upstream = connect({ port: backend.place.grpcPort, host: "127.0.0.1", noDelay: true });
  backend.connections += 1;
  upstream.once("close", () => (backend.connections -= 1));
  for (const [one, other] of [
    [caller, upstream],
    [upstream, caller],
  ] as const) {
    sockets.add(one);
    one.on("error", () => other.destroy());
    one.once("close", () => {
      sockets.delete(one);
      other.destroySoon();
    });
    one.pipe(other);
  }
}

async function probe(backend: Backend, signal: AbortSignal): Promise<void> {
  const url = `http://127.0.0.1:${backend.place.adminPort}/readyz`;
  while (!signal.aborted) {
    backend.isReady = await fetch(url, { signal }).then(
      ({ ok }) => ok,
      () => false,
    );
    await sleep(probeMs, undefined, { signal }).catch(() => {});
  }
}
