import { createGrpcTransport, type GrpcTransportOptions } from "@connectrpc/connect-node";
import { type ClientOptions, createCommerceClient as createWithTransport } from "./client.ts";
import { type Closable, closing, openSession } from "./node-session.ts";

export * from "./index.ts";
export type { Closable } from "./node-session.ts";

/**
 * A client's options, and those of the transport. `baseUrl` is the gRPC port's, such as
 * http://127.0.0.1:50051.
 */
export type GrpcClientOptions = ClientOptions &
  Omit<GrpcTransportOptions, "sessionManager" | "defaultTimeoutMs">;

/**
 * Creates clients that call the gRPC port, for Node. All calls share one connection, which is opened by the
 * first of them, and opened again when it breaks. `close()` ends it: an open one keeps the process alive.
 */
export function createCommerceClient(options: GrpcClientOptions): Closable {
  const sessionManager = openSession(options);
  const transport = createGrpcTransport({ ...options, sessionManager });
  return closing(createWithTransport({ ...options, transport }), sessionManager);
}
