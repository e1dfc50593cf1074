import type { Http2Server, ServerHttp2Stream } from "node:http2";
import type { DomainError } from "../errors.ts";
import { parseDeadline } from "./timeout.ts";
import { arrivalMsOf } from "./turns.ts";

/** What the wire says about a call and grpc-js does not expose. */
export type Arrival = {
  readonly stream: ServerHttp2Stream;
  /** When its headers arrived, in milliseconds since the epoch. */
  readonly arrivedMs: number;
  /** When the caller stops waiting, in milliseconds since the epoch, or the error for an invalid timeout. */
  readonly deadline: number | DomainError;
  /** The encoding of messages whose flag says that they are compressed. */
  readonly encoding: string | undefined;
};

/** The arrivals of all calls of a server. */
export type Arrivals = {
  /** Registers a listener that sees each stream of the server before grpc-js does. */
  readonly watch: (server: Http2Server) => void;
  /** The arrival of the call for which grpc-js is running its interceptors. */
  readonly latest: () => Arrival;
};

/**
 * Reads calls before grpc-js does, and removes two headers. grpc-js' timer for `grpc-timeout` holds 31 bits
 * of milliseconds and answers instead of the pipeline; messages in the `grpc-encoding` it would decompress at
 * once, as many as have arrived, with one limit for all methods.
 */
export function createArrivals(): Arrivals {
  // grpc-js handles a stream, interceptors included, synchronously within this event.
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
