import { once } from "node:events";
import net, { type AddressInfo, type Socket } from "node:net";
import type { Connection } from "../../src/config.ts";
import * as wire from "./wire.ts";

/** What a connection pooler does that the service must notice. */
export type Habit =
  /** It does not take the parameter `options` of a connection that begins (08P01). */
  | "refuses options"
  /** It takes it, and does not pass it on. */
  | "drops options"
  /** It passes it on, and lets clients know sessions by numbers of its own. */
  | "hides sessions";

/** Starts a front of a server with the habits of a connection pooler. It speaks no TLS. */
export async function startPooler(
  upstream: Connection,
  habit: Habit,
): Promise<AsyncDisposable & { readonly connection: Connection }> {
  const sockets = new Set<Socket>();
  const own = (socket: Socket): Socket => {
    sockets.add(socket);
    return socket.on("error", () => {}).on("close", () => sockets.delete(socket));
  };
  const listener = net.createServer((client) => void relay(own(client)).catch(() => client.destroy()));
  const relay = async (client: Socket): Promise<void> => {
    const requests = wire.readMessages(client, "client");
    const { value: greeting } = await requests.next();
    if (!greeting) return;
    if (habit === "refuses options") return void client.end(wire.errorResponse("FATAL", "08P01"));
    const server = own(net.connect(upstream.port, upstream.host));
    server.write(habit === "drops options" ? wire.withoutParameter(greeting, "options") : greeting.bytes);
    void pass(requests, server);
    for await (const answer of wire.readMessages(server, "server")) {
      if (habit === "hides sessions" && answer.type === "K") answer.bytes.writeInt32BE(4711, 5);
      client.write(answer.bytes);
    }
    client.end();
  };
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  return {
    connection: { ...upstream, host: "127.0.0.1", port: (listener.address() as AddressInfo).port },
    async [Symbol.asyncDispose]() {
      const closed = once(listener, "close");
      listener.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

async function pass(messages: AsyncIterable<wire.Message>, to: Socket): Promise<void> {
  for await (const { bytes } of messages) to.write(bytes);
  to.end();
}
