import type { Socket } from "node:net";
import type { OpenPort } from "../rpc/listen.ts";
import type { Channel } from "./channel.ts";
import type { SharedPort } from "./messages.ts";

/** The ports as a worker has them: it is handed their connections. */
export type HandedPorts = {
  readonly hand: (port: SharedPort, socket: Socket) => void;
  /** No connection of the port comes any more. */
  readonly closed: (port: SharedPort) => void;
  readonly openVia: (channel: Channel) => OpenPort;
};

export function createHandedPorts(): HandedPorts {
  const open = new Map<SharedPort, (socket: Socket) => void>();
  const closing = new Map<SharedPort, () => void>();
  return {
    hand(port, socket) {
      const take = open.get(port);
      if (take) take(socket);
      else socket.destroy();
    },
    closed: (port) => closing.get(port)?.(),
    openVia:
      ({ send, gone }) =>
      async (name, address, onConnection) => {
        if (name === "ADMIN_ADDR") throw new Error("the admin port is the leader's");
        open.set(name, onConnection);
        return {
          address,
          close: () =>
            new Promise((resolve) => {
              closing.set(name, resolve);
              gone.addEventListener("abort", () => resolve());
              if (gone.aborted) resolve();
              else void send({ kind: "close", port: name });
            }),
        };
      },
  };
}
