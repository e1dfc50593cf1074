import * as http1 from "node:http";
import type { Socket } from "node:net";
import type { ConnectError } from "@connectrpc/connect";
import { bounds } from "../bounds.ts";
import { type Acceptor, closeLater, LINGER_MS } from "./acceptor.ts";
import type { Connection } from "./connections.ts";
import type { Serve } from "./http-calls.ts";
import type { Listener } from "./listen.ts";
import { type Refused, refuseBytes, refuseHttp } from "./refusals.ts";
import { toRefusal } from "./status.ts";

/** Options of Node's HTTP/1.1 servers on each port. */
export const HTTP1_OPTIONS: http1.ServerOptions = {
  headersTimeout: bounds.headersMs.max,
  requestTimeout: bounds.http1RequestMs.max,
  // Node's default checks only every 30 s for headers and requests that take too long.
  connectionsCheckingInterval: 2_500,
};

/** Serves HTTP/1.1. */
export function startHttp1(serve: Serve, refused: Refused): Acceptor & Pick<Required<Listener>, "sendAway"> {
  const server = http1.createServer({
    ...HTTP1_OPTIONS,
    // The front closes idle connections; this only tells clients for how long they may be idle.
    keepAliveTimeout: bounds.idleMs.max,
  });
  const requests = watchRequests(server);
  const answering = new Set<http1.ServerResponse>();
  let closing = false;
  let sendAwayUntilMs = 0;
  const dismiss = (response: http1.ServerResponse): void => {
    if (closing || performance.now() < sendAwayUntilMs) response.shouldKeepAlive = false;
    if (requests.connectionOf(response.req)?.isClosing()) response.shouldKeepAlive = false;
  };
  server.on("request", (request, response) => {
    dismiss(response);
    answering.add(response);
    response.once("close", () => {
      answering.delete(response);
      // Its answer may have begun before the listener closed, and its connection is idle now.
      if (closing) closeLater(LINGER_MS, () => server.closeIdleConnections());
    });
    if (request.rawHeaders.length <= 2 * bounds.headerFields.max) return serve(request, response);
    const words = `the request has over ${bounds.headerFields.max} header fields`;
    const error = toRefusal(bounds.headerFields.reason, words);
    response.shouldKeepAlive = false;
    refuseHttp(request, response, 431, error, refused);
  });
  refuseOthers(server, refused);
  refuseUnreadable(server, answering, refused);
  return {
    accept: requests.accept,
    sendAway(forMs) {
      sendAwayUntilMs = performance.now() + forMs;
      answering.forEach(dismiss);
    },
    close() {
      closing = true;
      answering.forEach(dismiss);
      closeLater(LINGER_MS, () => server.close());
    },
  };
}

/**
 * Hands sockets to a Node server, bounds the headers of requests, and reports requests to their connections.
 * Refuses nothing.
 */
export function watchRequests(server: http1.Server): Pick<Acceptor, "accept"> & {
  readonly connectionOf: (request: http1.IncomingMessage) => Connection | undefined;
} {
  const connections = new WeakMap<Socket, Connection>();
  // Node drops fields above the limit silently; allowing one more shows that there were too many.
  server.maxHeadersCount = bounds.headerFields.max + 1;
  server.on("request", (request, response) => {
    const connection = connections.get(request.socket);
    connection?.callBegins();
    response.once("close", () => connection?.callEnds());
  });
  // Starts Node's check for slow headers and idle connections; this server never listens itself.
  server.emit("listening");
  return {
    connectionOf: (request) => connections.get(request.socket),
    accept(socket, connection) {
      connections.set(socket, connection);
      connection.step("open");
      // A request that has arrived is read first.
      connection.closeBy(() => closeLater(0, () => void (connection.calls() === 0 && socket.destroy())));
      server.emit("connection", socket);
    },
  };
}

/** Answers the requests that Node would refuse without a message. */
function refuseOthers(server: http1.Server, refused: Refused): void {
  server.on("checkExpectation", (request, response) => {
    const error = toRefusal("EXPECTATION_FAILED", "the only supported expectation is 100-continue");
    refuseHttp(request, response, 417, error, refused);
  });
  server.on("connect", (_request, socket) => {
    const error = toRefusal("METHOD_NOT_ALLOWED", "CONNECT is not supported: this is not a proxy");
    refuseBytes(socket as Socket, 405, error, refused);
  });
}

/** Answers bytes that are no HTTP request. */
function refuseUnreadable(
  server: http1.Server,
  answering: ReadonlySet<http1.ServerResponse>,
  refused: Refused,
): void {
  const seen = new WeakSet<Socket>();
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
    // Each later piece of the same garbage raises another error.
    if (seen.has(socket)) return;
    seen.add(socket);
    // After the beginning of an answer a second one would be read as its continuation.
    const isBegun = [...answering].some(({ req, headersSent }) => headersSent && req.socket === socket);
    if (!socket.writable || isBegun || error.code === "ECONNRESET") socket.destroy();
    else refuseBytes(socket, ...toRefusalOf(error), refused);
  });
}

function toRefusalOf({ code, message }: NodeJS.ErrnoException): [status: number, error: ConnectError] {
  if (code === "HPE_HEADER_OVERFLOW") {
    const words = `the headers have over ${http1.maxHeaderSize} bytes`;
    return [431, toRefusal("HEADERS_TOO_LARGE", words)];
  }
  if (code === "ERR_HTTP_REQUEST_TIMEOUT")
    return [408, toRefusal("REQUEST_TIMEOUT", "the request did not arrive in time")];
  return [400, toRefusal("MALFORMED_HTTP", `this is not HTTP/1.1: ${message}`)];
}
