import * as http1 from "node:http";
import type * as http2 from "node:http2";
import type { Socket } from "node:net";
import type { ConnectError } from "@connectrpc/connect";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import {
  createEndStreamSerialization,
  endStreamFlag,
  errorToJsonBytes,
} from "@connectrpc/connect/protocol-connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { errorDetails } from "./status.ts";

export type Request = http1.IncomingMessage | http2.Http2ServerRequest;
// Node's HTTP/2 responses have the methods of HTTP/1.1's; only their types differ.
export type Response = http1.ServerResponse;
/** Reports the refusal of a request that is no call of a method. */
export type Refused = (error: ConnectError) => void;

const JSON_OPTIONS = { registry: errorDetails };

/** Answers an error in the caller's protocol. */
export function refuseCall(
  request: Request,
  response: Response,
  status: number,
  error: ConnectError,
  refused: Refused,
): void {
  const contentType = request.headers["content-type"] ?? "";
  if (contentType.startsWith("application/grpc")) {
    refused(error);
    const trailers = Object.fromEntries(setTrailerStatus(new Headers(), error));
    end(request, response.writeHead(200, { "content-type": contentType, ...trailers }));
  } else if (contentType.startsWith("application/connect+")) {
    refused(error);
    // For a stream, Connect's clients read the error at its end, and no body of another status.
    const last = createEndStreamSerialization(JSON_OPTIONS).serialize({ metadata: new Headers(), error });
    const body = encodeEnvelope(endStreamFlag, last);
    end(request, response.writeHead(200, { "content-type": contentType }), body);
  } else refuseHttp(request, response, status, error, refused);
}

/** Answers a request that belongs to no protocol. */
export function refuseHttp(
  request: Request,
  response: Response,
  status: number,
  error: ConnectError,
  refused: Refused,
): void {
  refused(error);
  const body = request.method === "HEAD" ? undefined : errorToJsonBytes(error, JSON_OPTIONS);
  end(request, response.writeHead(status, { "content-type": "application/json" }), body);
}

/** Ends an answer; the rest of the request is not read. */
function end(request: Request, response: Response, body?: Uint8Array): void {
  request.resume();
  response.end(body);
  // An answer to HEAD ends with its headers, and HTTP/2 reports no end then: the stream would stay forever.
  if (request.method === "HEAD" && "stream" in request) setImmediate(() => request.stream.close());
}

/** How long the rest of a refused request is read and discarded, in milliseconds. */
const UNREAD_MS_MAX = 250;

/** Answers a connection that has no request, and closes it. */
export function refuseBytes(socket: Socket, status: number, error: ConnectError, refused: Refused): void {
  refused(error);
  const body = errorToJsonBytes(error, JSON_OPTIONS);
  const head = [
    `HTTP/1.1 ${status} ${http1.STATUS_CODES[status]}`,
    "content-type: application/json",
    `content-length: ${body.length}`,
    "connection: close",
  ];
  socket.on("error", () => {});
  // Closing a socket with unread bytes resets it, and the caller would not see the answer.
  socket.end(Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`), body])).resume();
  setTimeout(() => socket.destroy(), UNREAD_MS_MAX).unref();
}
