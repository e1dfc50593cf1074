import type { CallId } from "./call-id.ts";

/** The listener that received a call. */
export type ListenerName = "grpc" | "http";

/** A call whose headers have arrived, as it is observed. */
export type Arrived = {
  readonly listener: ListenerName;
  readonly header: (name: string) => string | null;
  readonly callId: CallId;
  /** The connection of the call: a session of HTTP/2, or a socket. */
  readonly connection: object;
};
