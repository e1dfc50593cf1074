import { type ConnectTransportOptions, createConnectTransport } from "@connectrpc/connect-node";
import { type ClientOptions, createCommerceClient as createWithTransport } from "./client.ts";
import { type Closable, closing, openSession } from "./node-session.ts";
import { errorDetails } from "./registry.ts";

export * from "./index.ts";
export type { Closable } from "./node-session.ts";

type Http2TransportOptions = Extract<ConnectTransportOptions, { readonly httpVersion: "2" }>;

/**
 * A client's options, and those of the transport. `baseUrl` is the HTTP port's, such as
 * http://127.0.0.1:8080.
 */
export type ConnectClientOptions = ClientOptions &
  Omit<Http2TransportOptions, "httpVersion" | "sessionManager" | "defaultTimeoutMs">;

/**
 * Creates clients that call the HTTP port by the Connect protocol over HTTP/2, for Node. All calls share
 * one connection, which is opened by the first of them, and opened again when it breaks. `close()` ends it:
 * an open one keeps the process alive.
 */
export function createCommerceClient(options: ConnectClientOptions): Closable {
  const sessionManager = openSession(options);
  const jsonOptions = { registry: errorDetails, ...options.jsonOptions };
  const transport = createConnectTransport({ ...options, httpVersion: "2", sessionManager, jsonOptions });
  return closing(createWithTransport({ ...options, transport }), sessionManager);
}
