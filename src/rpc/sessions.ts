import { constants, type Http2Session, type ServerHttp2Stream } from "node:http2";
import { bounds } from "../bounds.ts";
import { closeLater, LINGER_MS } from "./acceptor.ts";
import type { Connection } from "./connections.ts";
import type { Refused } from "./refusals.ts";
import { createResets } from "./resets.ts";
import { toRefusal } from "./status.ts";

/**
 * What both ports ask of Node's HTTP/2. Its own bounds of resets and of calls above the open ones, which know
 * nothing of calls that finish, are only the last ones.
 */
export const HTTP2_OPTIONS = {
  maxSessionMemory: bounds.sessionMebibytes.max,
  maxHeaderListPairs: bounds.headerFields.max,
  maxSessionRejectedStreams: bounds.rejectedStreams.max,
  streamResetBurst: bounds.resetBurst.max,
  streamResetRate: bounds.resetBurst.max / 10,
  settings: { maxConcurrentStreams: bounds.concurrentStreams.max },
};

/** Tells a connection what its session does, and ends one whose peer resets what it begins. */
export function watchSession(session: Http2Session, connection: Connection, refused: Refused): void {
  const resets = createResets();
  connection.step("opening");
  session.once("remoteSettings", () => {
    if (connection.calls() === 0) connection.step("open");
    connection.boundIdleBytes();
  });
  connection.closeBy(() => sendAway(session));
  session.on("stream", (stream: ServerHttp2Stream) => {
    const beginMs = performance.now();
    connection.callBegins();
    stream.once("close", () => {
      connection.callEnds();
      if (!isReset(stream)) return resets.finished();
      if (performance.now() - beginMs >= bounds.resetMs.max || session.destroyed || !resets.reset()) return;
      const words = "this connection resets the calls that it begins";
      const error = toRefusal(bounds.resets.reason, words);
      refused(error);
      // What has arrived with the last resets would still become calls.
      session.removeAllListeners("stream");
      session.destroy(error, constants.NGHTTP2_ENHANCE_YOUR_CALM);
    });
  });
}

/**
 * Whether a stream was reset: before its answer was written, with whatever code, or behind it, where
 * NO_ERROR is what is said of the rest of a request.
 */
function isReset({ aborted, rstCode }: ServerHttp2Stream): boolean {
  return aborted || rstCode !== constants.NGHTTP2_NO_ERROR;
}

/** Names no last stream: calls that are on their way are served. */
const ANY_STREAM = 2 ** 31 - 1;

/** GOAWAY; what has begun, and what begins within LINGER_MS, finishes. */
function sendAway(session: Http2Session): void {
  if (session.destroyed || session.closed) return;
  session.goaway(constants.NGHTTP2_NO_ERROR, ANY_STREAM);
  closeLater(LINGER_MS, () => !session.destroyed && session.close());
}
