import type { Socket } from "node:net";
import type { Address } from "../config.ts";
import { LINGER_MS } from "./acceptor.ts";
import type { Connection, ConnectionLimits } from "./connections.ts";
import { createCors } from "./cors.ts";
import { startFront } from "./front.ts";
import { toServe } from "./http-calls.ts";
import { startHttp1 } from "./http1.ts";
import { startHttp2 } from "./http2.ts";
import { closeWithin, type Listener, type OpenPort } from "./listen.ts";
import type { Method } from "./pipeline.ts";
import { type Refused, refuseBytes } from "./refusals.ts";
import { startTls } from "./secure.ts";
import type { Protocol } from "./sniff.ts";
import { toRefusal } from "./status.ts";
import type { Telemetry } from "../telemetry/telemetry.ts";
import type { Tls } from "./tls.ts";
import { createUnreadAnswers } from "./unread.ts";

/**
 * Serves the methods over Connect, gRPC-Web and gRPC, as JSON or binary, with HTTP/1.1 and HTTP/2 on one
 * port, with or without TLS. Throws an error of one line if it cannot listen.
 */
export async function startHttpListener(
  methods: readonly Method[],
  options: {
    readonly address: Address;
    readonly open?: OpenPort | undefined;
    readonly messageBytesMax: number;
    readonly connections: ConnectionLimits;
    readonly refused: Telemetry["refused"];
    /** See `createCors`; default: none. */
    readonly corsOrigins?: readonly string[];
    readonly tls?: Tls | undefined;
  },
): Promise<Listener> {
  const refused: Refused = (error) => options.refused("http", error);
  const { messageBytesMax } = options;
  const cors = createCors(options.corsOrigins ?? []);
  const serve = toServe(methods, { messageBytesMax, unread: createUnreadAnswers(refused), refused, cors });
  const h1 = startHttp1(serve, refused);
  const h2 = startHttp2(serve, refused);
  const accept = (socket: Socket, protocol: Protocol, connection: Connection): void =>
    (protocol === "h2" ? h2 : h1).accept(socket, connection);
  const secure = options.tls && startTls(options.tls, ["h2", "http/1.1"], accept);
  const { address, open, connections } = options;
  const at = { address, name: "HTTP_ADDR", open, connections, refused } as const;
  const front = await startFront(at, (socket, protocol, connection) => {
    if (!secure) return accept(socket, protocol, connection);
    if (protocol === "tls") return secure.accept(socket, connection);
    return refuseBytes(socket, 400, toRefusal("NEEDS_TLS", NEEDS_TLS), refused);
  });
  const close = async (): Promise<void> => {
    await front.shut();
    h1.close();
    h2.close();
    secure?.close();
    await front.close(LINGER_MS);
  };
  return {
    address: front.address,
    connections: front.connections,
    waiting: h2.waiting,
    sendAway: h1.sendAway,
    drain: (graceMs) => closeWithin(graceMs, () => front.untilQuiet().then(close), front.destroy),
    async [Symbol.asyncDispose]() {
      front.destroy();
      await close();
    },
  };
}

const NEEDS_TLS = "this port speaks TLS (https)";
