import { once } from "node:events";
import net, { type AddressInfo, type Server, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { createSplitter, isCancelRequest, type Message } from "../wire.ts";
import { errorOf } from "./answers.ts";
import { startFront, type Front } from "./front.ts";
import type { Hub, NodeState } from "./hub.ts";

/** A node is taken for one that cannot be asked while it hangs, and for a while after it has died. */
export type Condition = "up" | "draining" | "hung" | "dead" | "gone";

/** One node of a cluster, on a port of the loopback. */
export type Node = AsyncDisposable & {
  readonly id: number;
  readonly port: number;
  readonly condition: Condition;
  drain(): void;
  kill(): Promise<void>;
  hang(): void;
  revive(): Promise<void>;
};

export type NodeTimes = { readonly livenessMs: number; readonly noticeMs: number };

/** Starts a node. */
export async function startNode(id: number, hub: Hub, times: NodeTimes): Promise<Node> {
  const state: NodeState = { id, isDraining: false, runs: Promise.resolve() };
  const fronts = new Set<Front>();
  const sockets = new Set<Socket>();
  let condition: Condition = "up";
  let resume = (): void => {};
  let server: Server | undefined;
  let port = 0;

  async function listen(): Promise<void> {
    server = net.createServer({ noDelay: true }, accept);
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    ({ port } = server.address() as AddressInfo);
  }

  async function close(): Promise<void> {
    const closed = new Promise((resolve) => (server?.listening ? server.close(resolve) : resolve(undefined)));
    for (const front of fronts) front.die();
    for (const socket of sockets) socket.resetAndDestroy();
    await closed;
  }

  function accept(client: Socket): void {
    sockets.add(client);
    client.on("error", () => {}).on("close", () => sockets.delete(client));
    let split = createSplitter("client");
    let front: Front | undefined;
    const take = (each: Message): void => {
      if (front) return front.take(each);
      // TLS is not spoken here; the client may go on without.
      if (isSslRequest(each)) {
        split = createSplitter("client");
        client.write("N");
      } else front = begin(client, each);
    };
    client.on("data", (chunk: Buffer) => {
      const messages = [...split(chunk)];
      void state.runs.then(() => messages.forEach(take));
    });
  }

  function begin(client: Socket, greeting: Message): Front | undefined {
    // It has left while the node hung.
    if (client.destroyed) return undefined;
    if (isCancelRequest(greeting)) void cancel(client, greeting);
    else if (state.isDraining) client.end(errorOf(drainingNew));
    else {
      const front = startFront(client, greeting, state, hub);
      fronts.add(front);
      client.on("close", () => fronts.delete(front));
      return front;
    }
    return undefined;
  }

  /** Any node passes a cancellation on to the one that the key names. */
  async function cancel(client: Socket, { bytes }: Message): Promise<void> {
    const [processId, secret] = [bytes.readInt32BE(8), bytes.readInt32BE(12)];
    const found = [...hub.sessions.values()].find(
      ({ key }) => key.processId === processId && key.secret === secret,
    );
    if (found && hub.reachable(id).has(found.node)) await found.cancel();
    client.end();
  }

  async function notice(): Promise<void> {
    await delay(times.noticeMs);
    for (const front of fronts) front.drainIfIdle();
  }

  async function expire(): Promise<void> {
    await delay(times.livenessMs, undefined, { ref: false });
    if (condition === "dead") condition = "gone";
  }

  await listen();
  return {
    id,
    get port() {
      return port;
    },
    get condition() {
      return condition;
    },
    drain() {
      condition = "draining";
      state.isDraining = true;
      void notice();
    },
    async kill() {
      condition = "dead";
      await close();
      void expire();
    },
    hang() {
      condition = "hung";
      ({ promise: state.runs, resolve: resume } = Promise.withResolvers<void>());
    },
    async revive() {
      condition = "up";
      state.isDraining = false;
      resume();
      if (!server?.listening) await listen();
    },
    async [Symbol.asyncDispose]() {
      resume();
      await close();
    },
  };
}

const drainingNew = { code: "57P01", message: "server is not accepting clients, try another node" };

function isSslRequest({ bytes }: Message): boolean {
  return bytes.readInt32BE(4) === 80877103;
}
