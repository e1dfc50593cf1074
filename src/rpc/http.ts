import * as http1 from "node:http";
import * as http2 from "node:http2";
import type { Socket } from "node:net";
import * as net from "node:net";
import * as tls from "node:tls";
import type { DescMethodBiDiStreaming, DescMethodUnary, Message } from "@bufbuild/protobuf";
import {
  type ConnectRouter,
  createConnectRouter,
  type HandlerContext,
  type MethodImpl,
} from "@connectrpc/connect";
import {
  compressionBrotli,
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import type { Address } from "../config.ts";
import { callerLeft, type Incoming } from "./lifetime.ts";
import { type Door, listen } from "./listen.ts";
import type { Method, Requests } from "./pipeline.ts";
import { sniffProtocol } from "./sniff.ts";
import { errorDetails } from "./status.ts";
import type { Tls } from "./tls.ts";

type Request = http1.IncomingMessage | http2.Http2ServerRequest;
// Node's HTTP/2 answers through the methods of HTTP/1.1's response; only their types differ.
type Response = http1.ServerResponse;
type Serve = (request: Request, response: Response) => void;

// A caller sends its headers, or its half of the TLS handshake, at once; who takes longer holds a socket for
// nothing.
const HEADERS_MS_MAX = 10_000;
// The body follows: the largest one takes a minute at 2 Mbit/s.
const REQUEST_MS_MAX = 60_000;
// Browsers and balancers keep a connection for the next call; five minutes without one, and it is only a
// socket.
const IDLE_MS_MAX = 300_000;
// Calls one connection may have open: as on the gRPC door.
const CONCURRENT_STREAMS_MAX = 256;
// A peer that is gone without a word is noticed by the kernel, some minutes after this.
const SOCKETS = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 };

/**
 * Serves the methods over Connect, gRPC-Web and gRPC, as JSON or binary, with HTTP/1.1 and HTTP/2 on one
 * port: in the clear, or over TLS. Fails with one clear line if it cannot listen.
 */
export async function startHttpDoor(
  methods: readonly Method[],
  options: {
    readonly address: Address;
    readonly messageBytesMax: number;
    readonly tls?: Tls | undefined;
  },
): Promise<Door> {
  const serve = toServe(methods, options.messageBytesMax);
  const h1 = startHttp1(serve);
  const h2 = startHttp2(serve);
  const front = options.tls ? startTls(options.tls) : net.createServer(SOCKETS);
  const sockets = new Set<Socket>();
  front.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  const undecided = new Set<Socket>();
  front.on(options.tls ? "secureConnection" : "connection", (socket: Socket) => {
    undecided.add(socket);
    sniffProtocol(socket, HEADERS_MS_MAX, (protocol) => {
      undecided.delete(socket);
      if (protocol === "h2") h2.accept(socket);
      else if (protocol === "http/1.1") h1.accept(socket);
    });
  });
  const address = await listen(front, options.address, "HTTP_ADDR");

  const destroy = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      front.close(() => resolve());
      for (const socket of undecided) socket.destroy();
      h1.close();
      h2.close();
    });
  return {
    address,
    async drain(graceMs) {
      let finished = true;
      const timer = setTimeout(() => {
        finished = false;
        destroy();
      }, graceMs);
      await close();
      clearTimeout(timer);
      return finished;
    },
    async [Symbol.asyncDispose]() {
      destroy();
      await close();
    },
  };
}

function startTls({ serverOptions, follow }: Tls): tls.Server {
  const alpn = { handshakeTimeout: HEADERS_MS_MAX, ALPNProtocols: ["h2", "http/1.1"] };
  const server = tls.createServer({ ...serverOptions, ...SOCKETS, ...alpn });
  follow(server);
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  return server;
}

/**
 * A server without a listener of its own: it is handed sockets, and closed when its calls have been
 * answered.
 */
type Acceptor = { readonly accept: (socket: Socket) => void; readonly close: () => void };

function startHttp1(serve: Serve): Acceptor {
  let closing = false;
  const server = http1.createServer({
    headersTimeout: HEADERS_MS_MAX,
    requestTimeout: REQUEST_MS_MAX,
    keepAliveTimeout: IDLE_MS_MAX,
  });
  server.on("request", (request, response) => {
    response.shouldKeepAlive &&= !closing;
    response.once("close", () => {
      // The answers that had begun before: their connections are idle, and so closed, a moment later.
      if (closing) setImmediate(() => server.closeIdleConnections());
    });
    serve(request, response);
  });
  // What starts the watch over slow headers and idle connections; a server that is handed its sockets never
  // listens.
  server.emit("listening");
  return {
    accept: (socket) => server.emit("connection", socket),
    close() {
      closing = true;
      server.close();
    },
  };
}

function startHttp2(serve: Serve): Acceptor {
  const sessions = new Set<http2.Http2Session>();
  const server = http2.createServer({ settings: { maxConcurrentStreams: CONCURRENT_STREAMS_MAX } });
  server.on("request", (request, response) => serve(request, response as unknown as Response));
  server.on("session", (session) => {
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
    session.setTimeout(IDLE_MS_MAX, () => session.close());
  });
  return {
    accept: (socket) => server.emit("connection", socket),
    close() {
      // GOAWAY; streams that run finish.
      for (const session of sessions) session.close();
    },
  };
}

/**
 * connect-node's own adapter, but for three things: a request that cannot be read (an authority that is
 * none) is answered 400 and does not end the process, an unknown method is answered in the caller's
 * protocol, and a caller who leaves is no line on standard error.
 */
function toServe(methods: readonly Method[], messageBytesMax: number): Serve {
  const router = createConnectRouter({
    writeMaxBytes: messageBytesMax,
    acceptCompression: [compressionGzip, compressionBrotli],
    // A misspelt field or enum value would be dropped in silence, and the call do something else.
    jsonOptions: { ignoreUnknownFields: false, registry: errorDetails },
  });
  for (const method of methods) addMethod(router, method);
  const bidirectional = new Set(
    methods
      .filter(({ desc }) => desc.methodKind === "bidi_streaming")
      .map(({ desc }) => `/${desc.parent.typeName}/${desc.name}`),
  );
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));

  return (request, response) => {
    const path = request.url?.split("?", 1)[0] ?? "";
    const handler = handlers.get(path);
    if (!handler) return refuse(request, response, 404, `no method ${path}`);
    if (request.httpVersionMajor < 2 && bidirectional.has(path)) {
      // Nobody reads what the caller is about to send.
      response.setHeader("connection", "close");
      return refuse(request, response, 505, `${path} streams in both directions, which needs HTTP/2`);
    }
    let universal: ReturnType<typeof universalRequestFromNodeRequest>;
    try {
      universal = universalRequestFromNodeRequest(request, response, undefined, undefined);
    } catch {
      response.writeHead(400).end();
      return;
    }
    handler(universal)
      .then((answer) => universalResponseToNodeResponse(answer, response))
      // Errors of calls are answers; what arrives here is a connection that broke under one.
      .catch(() => response.destroy());
  };
}

/** The flag of the last message of a Connect stream. */
const END_OF_STREAM = 0b10;

/** UNIMPLEMENTED as the caller's protocol spells it. */
function refuse(request: Request, response: Response, status: number, message: string): void {
  const contentType = request.headers["content-type"] ?? "";
  const error = { code: "unimplemented", message };
  if (contentType.startsWith("application/grpc")) {
    const trailers = { "grpc-status": "12", "grpc-message": encodeURIComponent(message) };
    response.writeHead(200, { "content-type": contentType, ...trailers }).end();
  } else if (contentType.startsWith("application/connect+")) {
    // Of a stream, Connect's clients read the error at its end and no body of another status.
    const end = encodeEnvelope(END_OF_STREAM, Buffer.from(JSON.stringify({ error })));
    response.writeHead(200, { "content-type": contentType }).end(end);
  } else {
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(error));
  }
}

function addMethod(router: ConnectRouter, { desc, requestBytesMax, handler }: Method): void {
  const implementation = (
    requests: Requests,
    context: HandlerContext,
  ): Promise<Message> | AsyncIterable<Message> => handler.call(requests, toIncoming(context));
  // One signature for all four kinds; the router tells them apart by the descriptor.
  router.rpc(
    desc as DescMethodUnary,
    implementation as MethodImpl<DescMethodUnary | DescMethodBiDiStreaming> as never,
    { readMaxBytes: requestBytesMax },
  );
}

function toIncoming(context: HandlerContext): Incoming {
  const timeoutMs = context.timeoutMs();
  const deadlineMs = timeoutMs === undefined ? Infinity : Date.now() + timeoutMs;
  const controller = new AbortController();
  const leave = (): void => controller.abort(callerLeft(deadlineMs));
  if (context.signal.aborted) leave();
  else context.signal.addEventListener("abort", leave, { once: true });
  return { door: "http", header: (name) => context.requestHeader.get(name), deadlineMs, controller };
}
