import type { Http2Server, ServerHttp2Stream } from "node:http2";
import type { Message } from "@bufbuild/protobuf";
import { type Metadata, type ServerInterceptingCall, type ServerInterceptor, status } from "@grpc/grpc-js";
import type { DomainError } from "../db/errors.ts";
import { cutOff, type Frames, watchFrames } from "./frames.ts";
import { parseDeadline } from "./timeout.ts";

/** What there is to know of a call on the wire and grpc-js does not tell. */
export type Arrival = {
  /** When the caller stops waiting, or why its timeout is none. */
  readonly deadline: number | DomainError;
  readonly frames: Frames;
};

// What a call keeps from here to its handler, on its metadata: the collector would pay for a WeakMap with an
// entry for each call.
const ARRIVAL = Symbol("arrival");
type Carrier = Metadata & { [ARRIVAL]?: Arrival };

/** The arrivals of all calls of a server. */
export type Arrivals = {
  /** Sees each stream of the server that grpc-js listens to, before grpc-js does. */
  readonly watch: (server: Http2Server) => void;
  /** Belongs into the options of the Server. */
  readonly interceptor: ServerInterceptor;
  readonly of: (call: { readonly metadata: Metadata }) => Arrival;
};

/**
 * Looks at calls on their way into grpc-js. Its own timer for `grpc-timeout` holds 31 bits of milliseconds,
 * and answers in the place of the pipeline, so the header is taken away from it. A message whose prefix makes
 * no sense becomes `nonsense`.
 */
export function createArrivals(nonsense: Message): Arrivals {
  // grpc-js takes a stream up, interceptors included, while its event is emitted.
  let latest: { readonly stream: ServerHttp2Stream; readonly arrival: Arrival } | undefined;

  return {
    watch(server) {
      server.prependListener("stream", (stream, headers) => {
        const { "grpc-timeout": timeout, "grpc-encoding": encoding } = headers as Record<string, string>;
        const deadline = parseDeadline("grpc-timeout", timeout);
        if (timeout !== undefined) headers["grpc-timeout"] = undefined;
        latest = { stream, arrival: { deadline, frames: watchFrames(encoding) } };
      });
    },
    interceptor({ requestStream }, call) {
      const { stream, arrival } = latest!;
      const { frames } = arrival;
      stream.on("data", frames.see);
      let messages = 0;
      // Not a ServerInterceptingCall: that would go between every step of the call, and here is only one.
      const { start } = call;
      call.start = (listener) =>
        start.call(call, {
          onReceiveMetadata(metadata) {
            (metadata as Carrier)[ARRIVAL] = arrival;
            listener.onReceiveMetadata(metadata);
          },
          onReceiveMessage: (message) =>
            listener.onReceiveMessage(frames.isNonsense(messages++) ? nonsense : message),
          onReceiveHalfClose() {
            // grpc-js knows of no message then, and would answer that the method is not called so.
            const lost = !requestStream && messages === 0 && frames.isCut();
            if (lost) call.sendStatus({ code: status.INVALID_ARGUMENT, details: cutOff.message });
            else listener.onReceiveHalfClose();
          },
          onCancel: () => listener.onCancel(),
        });
      return call as ServerInterceptingCall;
    },
    of: ({ metadata }) => (metadata as Carrier)[ARRIVAL]!,
  };
}
