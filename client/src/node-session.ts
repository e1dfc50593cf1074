import { type GrpcTransportOptions, Http2SessionManager } from "@connectrpc/connect-node";
import type { CommerceClient } from "./client.ts";

/** Clients with a connection of their own. */
export type Closable = CommerceClient &
  Disposable & {
    /** Closes the connection. Calls that are under way fail; a later call opens it again. */
    readonly close: () => void;
  };

/**
 * A connection on which a call hears nothing for so long is asked whether it lives, and is given up if it
 * does not say so: in time for another attempt within the usual deadline.
 */
const pings = { pingIntervalMs: 5_000, pingTimeoutMs: 5_000 };

/** The connection of a client, which is opened when it is needed. */
export function openSession(options: GrpcTransportOptions): Http2SessionManager {
  return new Http2SessionManager(options.baseUrl, { ...pings, ...options }, options.nodeOptions);
}

/** Adds what closes the connection. */
export function closing(client: CommerceClient, session: Http2SessionManager): Closable {
  const close = (): void => session.abort();
  return { ...client, close, [Symbol.dispose]: close };
}
