import type { Http2Server, Http2Session } from "node:http2";
import type { Socket } from "node:net";
import type { ConnectError } from "@connectrpc/connect";
import { logVerbosity, Server, ServerCredentials, type ServerOptions, setLogVerbosity } from "@grpc/grpc-js";
import type { Address } from "../config.ts";
import { bounds } from "../bounds.ts";
import type { Acceptor } from "./acceptor.ts";
import type { Connection, ConnectionLimits } from "./connections.ts";
import { startFront } from "./front.ts";
import { createArrivals } from "./grpc-arrivals.ts";
import { createServing, toDefinition, unreached } from "./grpc-calls.ts";
import { ONLY_GRPC, refuseOthers, toPath } from "./grpc-status.ts";
import { closeWithin, type Listener, type OpenPort } from "./listen.ts";
import type { Method } from "./pipeline.ts";
import { type Refused, refuseBytes } from "./refusals.ts";
import { startTls } from "./secure.ts";
import { HTTP2_OPTIONS, watchSession } from "./sessions.ts";
import type { Protocol } from "./sniff.ts";
import { toRefusal } from "./status.ts";
import type { Telemetry } from "../telemetry/telemetry.ts";
import type { Tls } from "./tls.ts";
import { takeTurns } from "./turns.ts";
import { createUnreadAnswers } from "./unread.ts";

const OPTIONS: ServerOptions = {
  // A vanished peer is noticed after a minute and ten seconds; load balancers and NATs keep a connection that
  // is used once a minute.
  "grpc.keepalive_time_ms": 60_000,
  "grpc.keepalive_timeout_ms": 10_000,
  "grpc.max_concurrent_streams": bounds.concurrentStreams.max,
  "grpc-node.max_session_memory": bounds.sessionMebibytes.max,
  // Its statistics are not read, and cost time in each call.
  "grpc.enable_channelz": 0,
};

/**
 * Callers reconnect every five minutes (± 10 %), so that a new replica gets its share of them. No grace
 * period cuts calls that run then: each is bounded by a deadline or an idle limit, and the old connection
 * lasts as long as they do.
 */
const CONNECTION_AGE_MS = 300_000;

/** Serves the methods over gRPC, with or without TLS. Throws an error of one line if it cannot listen. */
export async function startGrpcListener(
  methods: readonly Method[],
  options: GrpcListenerOptions,
): Promise<Listener> {
  const { address, open, tls, connections } = options;
  const refused: Refused = (error) => options.refused("grpc", error);
  const server = createServer(methods, options, refused);
  let closing = false;
  server.http.on("session", (session) => {
    // This connection was still opening when the others were told to close.
    if (closing) session.close();
  });
  const accept = (socket: Socket, protocol: Protocol, connection: Connection): void => {
    if (protocol === "h2") return server.accept(socket, connection);
    const [status, error] = toMisplaced(protocol, false);
    return refuseBytes(socket, status, error, refused);
  };
  const secure = tls && startTls(tls, ["h2"], accept);
  const at = { address, name: "GRPC_ADDR", open, connections, refused } as const;
  const front = await startFront(at, (socket, protocol, connection) => {
    if (!secure) return accept(socket, protocol, connection);
    if (protocol === "tls") return secure.accept(socket, connection);
    const [status, error] = toMisplaced(protocol, true);
    return refuseBytes(socket, status, error, refused);
  });
  const close = async (): Promise<void> => {
    await front.shut();
    if (!closing) server.goAway();
    if (!closing) secure?.close();
    closing = true;
    return front.close(0);
  };
  return {
    address: front.address,
    connections: front.connections,
    waiting: server.waiting,
    drain: (graceMs) => closeWithin(graceMs, close, front.destroy),
    async [Symbol.asyncDispose]() {
      front.destroy();
      await close();
    },
  };
}

/** The answer to a connection of another protocol. */
function toMisplaced(protocol: Protocol, secure: boolean): [status: number, error: ConnectError] {
  if (secure) return [400, toRefusal("NEEDS_TLS", "this port speaks TLS")];
  if (protocol === "tls") return [400, toRefusal("NO_TLS", "this port speaks no TLS")];
  return [505, toRefusal("NEEDS_HTTP2", ONLY_GRPC)];
}

type GrpcListenerOptions = {
  readonly address: Address;
  readonly open?: OpenPort | undefined;
  readonly messageBytesMax: number;
  readonly connections: ConnectionLimits;
  readonly refused: Telemetry["refused"];
  readonly tls?: Tls | undefined;
  readonly connectionAgeMs?: number;
};

/** Creates a grpc-js server that is handed its connections. */
function createServer(
  methods: readonly Method[],
  { messageBytesMax, connectionAgeMs = CONNECTION_AGE_MS }: GrpcListenerOptions,
  refused: Refused,
): Pick<Acceptor, "accept"> & {
  readonly http: Http2Server;
  readonly waiting: Listener["waiting"];
  /** Sends GOAWAY on every connection; streams that run finish. */
  readonly goAway: () => void;
} {
  // grpc-js reports its errors to our callbacks as well; its own log lines would mix with ours.
  setLogVerbosity(logVerbosity.NONE);
  const arrivals = createArrivals();
  const server = new Server({
    ...OPTIONS,
    "grpc.max_connection_age_ms": connectionAgeMs,
    // One limit for all methods; the method's own limit is enforced earlier.
    "grpc.max_receive_message_length": Math.max(...methods.map(({ requestBytesMax }) => requestBytesMax)),
    "grpc.max_send_message_length": messageBytesMax,
    interceptors: [createServing(methods, { arrivals, unread: createUnreadAnswers(refused), refused })],
  });
  refuseOthers(server, methods, refused);
  server.addService(
    Object.fromEntries(methods.map((method) => [toPath(method), toDefinition(method)])),
    Object.fromEntries(methods.map((method) => [toPath(method), unreached])),
  );
  Object.assign(http2OptionsOf(server), HTTP2_OPTIONS);
  // TLS has been terminated: injected connections are decrypted.
  const connections = server.createConnectionInjector(ServerCredentials.createInsecure());
  const http = httpServerOf(server);
  arrivals.watch(http);
  const waiting = takeTurns(http);
  return {
    http,
    waiting,
    accept(socket, connection) {
      const watch = (session: Http2Session): void => watchSession(session, connection, refused);
      http.once("session", watch);
      connections.injectConnection(socket);
      http.off("session", watch);
    },
    goAway: () => server.tryShutdown(() => {}),
  };
}

/** The options of grpc-js' HTTP/2 servers, of which only two are configurable. */
function http2OptionsOf(server: Server): object {
  const options: unknown = Reflect.get(server, "commonServerOptions");
  if (typeof options !== "object" || options === null) throw notAsExpected;
  return options;
}

/** The HTTP/2 server that grpc-js has created for injected connections; it has no public access to it. */
function httpServerOf(server: Server): Http2Server {
  const servers: unknown = Reflect.get(server, "http2Servers");
  if (!(servers instanceof Map)) throw notAsExpected;
  const [http] = servers.keys() as IterableIterator<Http2Server>;
  if (http === undefined) throw notAsExpected;
  return http;
}

/** Both are private to it. */
const notAsExpected = new Error("this version of grpc-js keeps its HTTP/2 servers elsewhere");
