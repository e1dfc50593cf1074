import * as http2 from "node:http2";
import { type Acceptor, CONCURRENT_STREAMS_MAX, IDLE_MS_MAX, LINGER_MS } from "./acceptor.ts";
import type { Serve } from "./http-calls.ts";
import type { Response } from "./refusals.ts";

/** Serves HTTP/2. */
export function startHttp2(serve: Serve): Acceptor {
  const sessions = new Set<http2.Http2Session>();
  const server = http2.createServer({ settings: { maxConcurrentStreams: CONCURRENT_STREAMS_MAX } });
  let closing = false;
  server.on("request", (request, response) => serve(request, response as unknown as Response));
  server.on("session", (session) => {
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
    session.setTimeout(IDLE_MS_MAX, () => session.close());
    if (!closing) return;
    // Its first call is on its way.
    session.once("stream", () => session.close());
    setTimeout(() => session.close(), LINGER_MS).unref();
  });
  return {
    accept: (socket) => server.emit("connection", socket),
    close() {
      closing = true;
      // GOAWAY; streams that run finish.
      for (const session of sessions) session.close();
    },
  };
}
