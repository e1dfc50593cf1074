import * as http1 from "node:http";
import type { Socket } from "node:net";
import { Code, type ConnectError } from "@connectrpc/connect";
import { type Acceptor, closeLater, IDLE_MS_MAX, LINGER_MS } from "./acceptor.ts";
import type { Serve } from "./http-calls.ts";
import type { Door } from "./listen.ts";
import { type Refused, refuseBytes, refuseHttp } from "./refusals.ts";
import { SILENT_MS_MAX } from "./sniff.ts";
import { toRefusal } from "./status.ts";

// The body follows: the largest one takes a minute at 2 Mbit/s.
const REQUEST_MS_MAX = 60_000;

/** Serves HTTP/1.1. */
export function startHttp1(serve: Serve, refused: Refused): Acceptor & Pick<Required<Door>, "sendAway"> {
  const server = http1.createServer({
    headersTimeout: SILENT_MS_MAX,
    requestTimeout: REQUEST_MS_MAX,
    keepAliveTimeout: IDLE_MS_MAX,
  });
  const answering = new Set<http1.ServerResponse>();
  let closing = false;
  let sendAwayUntilMs = 0;
  const dismiss = (response: http1.ServerResponse): void => {
    if (closing || performance.now() < sendAwayUntilMs) response.shouldKeepAlive = false;
  };
  server.on("request", (request, response) => {
    dismiss(response);
    answering.add(response);
    response.once("close", () => {
      answering.delete(response);
      // Its answer may have begun before the door closed, so that its connection is idle now.
      if (closing) closeLater(LINGER_MS, () => server.closeIdleConnections());
    });
    serve(request, response);
  });
  refuseOthers(server, refused);
  refuseUnreadable(server, answering, refused);
  // What starts the watch over slow headers and idle connections; a server that is handed its sockets never
  // listens.
  server.emit("listening");

  return {
    accept: (socket) => server.emit("connection", socket),
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

/** Answers the requests that Node would refuse without a word. */
function refuseOthers(server: http1.Server, refused: Refused): void {
  server.on("checkExpectation", (request, response) => {
    const error = toRefusal(Code.Unimplemented, "EXPECTATION_FAILED", "the only expectation is 100-continue");
    refuseHttp(request, response, 417, error, refused);
  });
  server.on("connect", (_request, socket) => {
    const error = toRefusal(Code.Unimplemented, "METHOD_NOT_ALLOWED", "this is no proxy that would CONNECT");
    refuseBytes(socket as Socket, 405, error, refused);
  });
}

/** Answers what cannot be read as a request. */
function refuseUnreadable(
  server: http1.Server,
  answering: ReadonlySet<http1.ServerResponse>,
  refused: Refused,
): void {
  const seen = new WeakSet<Socket>();
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
    // Each later piece of the same nonsense is another error.
    if (seen.has(socket)) return;
    seen.add(socket);
    // Behind the beginning of an answer another one would be taken for its continuation.
    const isBegun = [...answering].some(({ req, headersSent }) => headersSent && req.socket === socket);
    if (!socket.writable || isBegun || error.code === "ECONNRESET") socket.destroy();
    else refuseBytes(socket, ...toRefusalOf(error), refused);
  });
}

function toRefusalOf({ code, message }: NodeJS.ErrnoException): [status: number, error: ConnectError] {
  if (code === "HPE_HEADER_OVERFLOW") {
    const words = `the headers have over ${http1.maxHeaderSize} bytes`;
    return [431, toRefusal(Code.ResourceExhausted, "HEADERS_TOO_LARGE", words)];
  }
  if (code === "ERR_HTTP_REQUEST_TIMEOUT")
    return [408, toRefusal(Code.DeadlineExceeded, "REQUEST_TIMEOUT", "the request did not arrive in time")];
  return [400, toRefusal(Code.InvalidArgument, "MALFORMED_HTTP", `this is not HTTP/1.1: ${message}`)];
}
