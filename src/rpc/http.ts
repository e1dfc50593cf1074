import type { Socket } from "node:net";
import * as tls from "node:tls";
import { Code } from "@connectrpc/connect";
import type { Address } from "../config.ts";
import { type Acceptor, closeLater, LINGER_MS } from "./acceptor.ts";
import { startFront } from "./front.ts";
import { toServe } from "./http-calls.ts";
import { startHttp1 } from "./http1.ts";
import { startHttp2 } from "./http2.ts";
import { closeWithin, type Door } from "./listen.ts";
import type { Method } from "./pipeline.ts";
import { type Refused, refuseBytes } from "./refusals.ts";
import { type Protocol, SILENT_MS_MAX, sniffProtocol } from "./sniff.ts";
import { toRefusal } from "./status.ts";
import type { Telemetry } from "./telemetry.ts";
import type { Tls } from "./tls.ts";
import { createUnreadAnswers } from "./unread.ts";

/**
 * Serves the methods over Connect, gRPC-Web and gRPC, as JSON or binary, with HTTP/1.1 and HTTP/2 on one
 * port: in the clear, or over TLS. Fails with one clear line if it cannot listen.
 */
export async function startHttpDoor(
  methods: readonly Method[],
  options: {
    readonly address: Address;
    readonly messageBytesMax: number;
    readonly connectionsMax: number;
    readonly refused: Telemetry["refused"];
    readonly tls?: Tls | undefined;
  },
): Promise<Door> {
  const refused: Refused = (error) => options.refused("http", error);
  const { messageBytesMax } = options;
  const serve = toServe(methods, { messageBytesMax, unread: createUnreadAnswers(refused), refused });
  const h1 = startHttp1(serve, refused);
  const h2 = startHttp2(serve);
  const accept = (socket: Socket, protocol: Protocol | undefined): void => {
    if (protocol === "h2") h2.accept(socket);
    else if (protocol) h1.accept(socket);
  };
  const secure = options.tls && startTls(options.tls, accept);
  const { address, connectionsMax } = options;
  const at = { address, variable: "HTTP_ADDR", connectionsMax, refused };
  const front = await startFront(at, (socket, protocol) => {
    if (!secure) return accept(socket, protocol);
    if (protocol === "tls") return secure.accept(socket);
    return refuseBytes(socket, 400, toRefusal(Code.InvalidArgument, "NEEDS_TLS", NEEDS_TLS), refused);
  });
  const close = async (): Promise<void> => {
    h1.close();
    h2.close();
    secure?.close();
    await front.close(LINGER_MS);
  };
  return {
    address: front.address,
    sendAway: h1.sendAway,
    drain: (graceMs) => closeWithin(graceMs, () => front.untilQuiet().then(close), front.destroy),
    async [Symbol.asyncDispose]() {
      front.destroy();
      await close();
    },
  };
}

const NEEDS_TLS = "this port speaks TLS (https)";

/** Speaks TLS on sockets that it is handed, and hears what is spoken within it. */
function startTls(
  { serverOptions, follow }: Tls,
  onConnection: (socket: Socket, protocol: Protocol | undefined) => void,
): Acceptor {
  const silent = new Set<Socket>();
  const options = { handshakeTimeout: SILENT_MS_MAX, ALPNProtocols: ["h2", "http/1.1"] };
  const server = tls.createServer({ ...serverOptions, ...options }, (socket) => {
    silent.add(socket);
    sniffProtocol(socket, (protocol) => {
      silent.delete(socket);
      onConnection(socket, protocol);
    });
  });
  follow(server);
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  return {
    accept: (socket) => server.emit("connection", socket),
    close: () => closeLater(LINGER_MS, () => silent.forEach((socket) => socket.destroy())),
  };
}
