import * as http2 from "node:http2";
import { type Acceptor, LINGER_MS } from "./acceptor.ts";
import type { Serve } from "./http-calls.ts";
import type { Refused, Response } from "./refusals.ts";
import type { Listener } from "./listen.ts";
import { HTTP2_OPTIONS, watchSession } from "./sessions.ts";
import { takeTurns } from "./turns.ts";

/** Serves HTTP/2. */
export function startHttp2(serve: Serve, refused: Refused): Acceptor & Pick<Listener, "waiting"> {
  const sessions = new Set<http2.Http2Session>();
  const server = http2.createServer(HTTP2_OPTIONS);
  let closing = false;
  server.on("request", (request, response) => serve(request, response as unknown as Response));
  const waiting = takeTurns(server);
  server.on("session", (session) => {
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
    if (!closing) return;
    // Its first call is on its way: it closes when that has begun.
    session.once("stream", () => session.close());
    setTimeout(() => session.close(), LINGER_MS).unref();
  });
  return {
    waiting,
    accept(socket, connection) {
      const watch = (session: http2.Http2Session): void => watchSession(session, connection, refused);
      server.once("session", watch);
      server.emit("connection", socket);
      server.off("session", watch);
    },
    close() {
      closing = true;
      // Sends GOAWAY; streams that run finish.
      for (const session of sessions) session.close();
    },
  };
}
