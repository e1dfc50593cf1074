import { constants, type Http2Session, type ServerHttp2Stream } from "node:http2";
import { bounds } from "../bounds.ts";
import { closeLater, LINGER_MS } from "./acceptor.ts";
import type { Connection } from "./connections.ts";
import { rememberAddress } from "../telemetry/addresses.ts";
import { replaceStreams } from "./open-streams.ts";
import type { Refused } from "./refusals.ts";
import { createResets } from "./resets.ts";
import { toRefusal } from "./status.ts";

/**
 * Options of Node's HTTP/2 on both ports. Its own limit of resets ignores calls that finish, and is only the
 * last resort.
 */
export const HTTP2_OPTIONS = {
  maxSessionMemory: bounds.sessionMebibytes.max,
  maxHeaderListPairs: bounds.headerFields.max,
  maxSessionRejectedStreams: bounds.rejectedStreams.max,
  streamResetBurst: bounds.resetBurst.max,
  streamResetRate: bounds.resetBurst.max / 10,
  settings: { maxConcurrentStreams: bounds.concurrentStreams.max },
};

/** Reports a session's events to its connection, and ends a session whose peer resets too many calls. */
export function watchSession(session: Http2Session, connection: Connection, refused: Refused): void {
  replaceStreams(session);
  rememberAddress(session, session.socket);
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
      process.nextTick(forgetCall, stream);
      if (!isReset(stream)) return resets.finished();
      if (performance.now() - beginMs >= bounds.resetMs.max || session.destroyed || !resets.reset()) return;
      const words = "this connection resets too many of its calls";
      const error = toRefusal(bounds.resets.reason, words);
      refused(error);
      // Streams that arrived with the last resets would still become calls.
      session.removeAllListeners("stream");
      session.destroy(error, constants.NGHTTP2_ENHANCE_YOUR_CALM);
    });
  });
}

/**
 * Takes the call away from a stream that has ended, after all have heard of that. A function that is written
 * where it is assigned to a property is made in the old generation by V8, and Node.js has one in each stream:
 * until the next full collection it keeps the stream, with what listens to it.
 */
function forgetCall(stream: ServerHttp2Stream): void {
  // Removing the others would be told to it, one by one.
  stream.removeAllListeners("removeListener");
  stream.removeAllListeners();
  stream.on("error", () => {});
}

/**
 * Whether a stream was reset: with any code before its answer was written, or after it unless the code is
 * NO_ERROR, which only abandons the rest of a request.
 */
function isReset({ aborted, rstCode }: ServerHttp2Stream): boolean {
  return aborted || rstCode !== constants.NGHTTP2_NO_ERROR;
}

/** Names no last stream, so that calls that have arrived with this turn are served. */
const ANY_STREAM = 2 ** 31 - 1;

/** Sends GOAWAY; calls that have arrived finish. nghttp2 begins none that arrives after any GOAWAY. */
function sendAway(session: Http2Session): void {
  if (session.destroyed || session.closed) return;
  session.goaway(constants.NGHTTP2_NO_ERROR, ANY_STREAM);
  closeLater(LINGER_MS, () => !session.destroyed && session.close());
}
