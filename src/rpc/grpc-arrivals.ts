import type { Http2Server, ServerHttp2Stream } from "node:http2";
import type { DomainError } from "../errors.ts";
import { parseDeadline } from "./timeout.ts";
import { arrivalMsOf } from "./turns.ts";

/** What there is to know of a call on the wire and grpc-js does not tell. */
export type Arrival = {
  readonly stream: ServerHttp2Stream;
  /** When its headers arrived, in milliseconds since the epoch. */
  readonly arrivedMs: number;
  /** When the caller stops waiting, or why its timeout is none. */
  readonly deadline: number | DomainError;
  /** How messages are compressed whose flag says that they are. */
  readonly encoding: string | undefined;
};

/** The arrivals of all calls of a server. */
export type Arrivals = {
  /** Sees each stream of the server that grpc-js listens to, before grpc-js does. */
  readonly watch: (server: Http2Server) => void;
  /** Of the call for which grpc-js is running its interceptors. */
  readonly latest: () => Arrival;
};

/**
 * Looks at calls on their way into grpc-js and takes two headers away from it. Its own timer for
 * `grpc-timeout` holds 31 bits of milliseconds and answers in the place of the pipeline; what `grpc-encoding`
 * names it decompresses at once, as many messages as have arrived and up to one limit for all methods.
 */
export function createArrivals(): Arrivals {
  // grpc-js takes a stream up, interceptors included, while its event is emitted.
  let latest: Arrival | undefined;
  return {
    watch(server) {
      server.prependListener("stream", (stream, headers) => {
        const { "grpc-timeout": timeout, "grpc-encoding": encoding } = headers as Record<string, string>;
        const arrivedMs = arrivalMsOf(stream);
        const deadline = parseDeadline("grpc-timeout", timeout, arrivedMs);
        if (timeout !== undefined) headers["grpc-timeout"] = undefined;
        if (encoding !== undefined) headers["grpc-encoding"] = undefined;
        latest = {
          stream,
          arrivedMs,
          deadline,
          encoding: encoding === "identity" ? undefined : encoding,
        };
      });
    },
    latest: () => latest!,
  };
}
