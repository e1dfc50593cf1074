import net from "node:net";
import tls from "node:tls";
import type pg from "pg";
import type { Connection } from "../../config.ts";
import { toTlsOptions } from "./connection.ts";

/** What node-postgres knows of a connection and does not declare. */
type Internals = {
  readonly processID: number;
  readonly secretKey: number;
  /** Of several hosts, the one that it is connected to. */
  readonly host?: string;
  readonly port?: number;
  readonly connection: { readonly stream: { readonly remoteAddress?: string } };
};

/** How long a cancellation may take; past it the connection that it was for is destroyed. */
const cancelMsMax = 1_000;

/**
 * Asks the server to stop what a connection executes (CancelRequest of the wire protocol, sent on a
 * connection of its own). Resolves when the server has taken the request, or when that is hopeless: a
 * cancellation promises nothing.
 */
export async function cancel(connection: Connection, client: pg.PoolClient): Promise<void> {
  const { processID, secretKey, connection: own, ...place } = client as unknown as Internals;
  const { host = connection.host, port = connection.port } = place;
  const request = Buffer.alloc(16);
  request.writeInt32BE(16, 0);
  request.writeInt32BE(80877102, 4);
  request.writeInt32BE(processID, 8);
  request.writeInt32BE(secretKey, 12);
  await new Promise<void>((resolve) => {
    const socket = host.startsWith("/")
      ? net.connect(`${host}/.s.PGSQL.${port}`)
      : // The address that the connection has: behind one name there may be many servers.
        net.connect(port, own.stream.remoteAddress ?? host);
    const timer = setTimeout(() => socket.destroy(), cancelMsMax);
    socket.once("connect", () => {
      if (connection.ssl === false) socket.end(request);
      else startTls(socket, { servername: toServerName(host), ...toTlsOptions(connection.ssl) }, request);
    });
    // Errors are followed by "close".
    socket.on("error", () => {});
    socket.once("close", () => {
      clearTimeout(timer);
      resolve();
    });
    socket.resume();
  });
}

/** An address is no name to ask a server for (RFC 6066). */
function toServerName(host: string): string {
  return net.isIP(host) ? "" : host;
}

/** SSLRequest, then the request inside TLS: a server behind a TLS-only balancer takes nothing else. */
function startTls(socket: net.Socket, options: tls.ConnectionOptions, request: Buffer): void {
  socket.pause();
  socket.once("data", (answer: Buffer) => {
    // The key would be readable on the way. A connection that is not cancelled is destroyed, and its session
    // ended.
    if (answer.toString("latin1") !== "S") {
      socket.destroy();
      return;
    }
    const secure = tls.connect({ ...options, socket }, () => secure.end(request));
    secure.on("error", () => socket.destroy());
  });
  socket.resume();
  socket.write(Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]));
}
