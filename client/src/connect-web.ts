import { type ConnectTransportOptions, createConnectTransport } from "@connectrpc/connect-web";
import {
  type ClientOptions,
  type CommerceClient,
  createCommerceClient as createWithTransport,
} from "./client.ts";
import { errorDetails } from "./registry.ts";

export * from "./index.ts";

/**
 * A client's options, and those of the transport. `baseUrl` is the HTTP port's, such as
 * https://api.example.com.
 */
export type WebClientOptions = ClientOptions & Omit<ConnectTransportOptions, "defaultTimeoutMs">;

/**
 * Creates clients that call the HTTP port by the Connect protocol over fetch, for browsers. The service
 * names the origins whose pages may call it: HTTP_CORS_ORIGINS. fetch sends no stream of requests:
 * `ingestOrders` fails, `importOrders` does the same for what a page has.
 */
export function createCommerceClient(options: WebClientOptions): CommerceClient {
  const jsonOptions = { registry: errorDetails, ...options.jsonOptions };
  const transport = createConnectTransport({ ...options, jsonOptions });
  return createWithTransport({ ...options, transport });
}
