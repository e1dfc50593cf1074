import { once } from "node:events";
import net, { type AddressInfo, type Socket } from "node:net";

/** Carries connections to ports of the loopback, in turn; where there is none it resets them. */
export async function startBalancer(
  candidates: () => readonly number[],
): Promise<AsyncDisposable & { readonly port: number }> {
  let turn = 0;
  const sockets = new Set<Socket>();
  const join = (one: Socket, other: Socket): void => {
    sockets.add(one);
    one.pipe(other);
    one.on("error", () => other.resetAndDestroy());
    one.on("close", () => {
      sockets.delete(one);
      if (one.errored && !other.destroyed) other.resetAndDestroy();
    });
  };
  const listener = net.createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const ports = candidates();
    const port = ports[turn++ % ports.length];
    if (port === undefined) {
      client.resetAndDestroy();
      return;
    }
    const server = net.connect({ host: "127.0.0.1", port, noDelay: true, allowHalfOpen: true });
    join(client, server);
    join(server, client);
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  return {
    port: (listener.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}
