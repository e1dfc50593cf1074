import type { Socket } from "node:net";
import * as tls from "node:tls";
import { bounds } from "../bounds.ts";
import { type Acceptor, closeLater, LINGER_MS } from "./acceptor.ts";
import type { Connection } from "./connections.ts";
import { type Protocol, sniffProtocol } from "./sniff.ts";
import type { Tls } from "./tls.ts";

/** Terminates TLS on sockets that it is handed, and detects the protocol inside. */
export function startTls(
  { serverOptions, follow }: Tls,
  protocols: readonly string[],
  onConnection: (socket: Socket, protocol: Protocol, connection: Connection) => void,
): Acceptor {
  // Node does not expose the socket below a TLS socket; both have the same remote port.
  const handshakes = new Map<string, Connection>();
  const silent = new Set<Socket>();
  const hear = (socket: Socket, connection: Connection): void => {
    silent.add(socket);
    connection.step("opening");
    sniffProtocol(socket, (protocol) => {
      silent.delete(socket);
      if (protocol) onConnection(socket, protocol, connection);
    });
  };
  const options = { handshakeTimeout: bounds.openingMs.max, ALPNProtocols: [...protocols] };
  const server = tls.createServer({ ...serverOptions, ...options }, (socket) => {
    const connection = handshakes.get(toKey(socket));
    // The peer has left.
    if (!connection) socket.destroy();
    else hear(socket, connection);
  });
  follow(server);
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  return {
    accept(socket, connection) {
      const key = toKey(socket);
      handshakes.set(key, connection);
      socket.once("close", () => handshakes.get(key) === connection && handshakes.delete(key));
      connection.step("opening");
      server.emit("connection", socket);
    },
    close: () => closeLater(LINGER_MS, () => silent.forEach((socket) => socket.destroy())),
  };
}

function toKey({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
