import { once } from "node:events";
import net, { type AddressInfo, type Socket } from "node:net";

/** A way to a server on which answers get lost. Disposal ends all connections. */
export type Severable = AsyncDisposable & {
  readonly url: string;
  /** How many connections there were. */
  readonly connections: number;
  /** From now on nothing of what the server says arrives, on the connections that there are. */
  hold(): void;
  /** From now on nothing arrives on either side, on the connections that there are. */
  silence(): void;
  /** Resets the connections that there are. */
  cut(): void;
};

/** Starts a way to a server on a port of this machine. */
export async function openSeverable(port: number): Promise<Severable> {
  const pairs = new Set<{ readonly client: Socket; readonly server: Socket }>();
  let connections = 0;
  const listener = net.createServer({ noDelay: true }, (client) => {
    connections += 1;
    const server = net.connect({ host: "127.0.0.1", port, noDelay: true });
    const pair = { client, server };
    pairs.add(pair);
    client.pipe(server);
    server.pipe(client);
    for (const socket of [client, server]) {
      socket.on("error", () => {});
      socket.on("close", () => {
        pairs.delete(pair);
        client.destroy();
        server.destroy();
      });
    }
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const end = (): void => {
    for (const { client } of pairs) client.resetAndDestroy();
  };
  return {
    url: `http://127.0.0.1:${(listener.address() as AddressInfo).port}`,
    get connections() {
      return connections;
    },
    hold() {
      for (const { client, server } of pairs) server.unpipe(client).resume();
    },
    silence() {
      for (const { client, server } of pairs) {
        server.unpipe(client).resume();
        client.unpipe(server).resume();
      }
    },
    cut: end,
    async [Symbol.asyncDispose]() {
      const closed = once(listener, "close");
      listener.close();
      end();
      await closed;
    },
  };
}
