import { address, choice, origins } from "./parsers.ts";

/** The variables for what listens. */
export const ports = {
  GRPC_ADDR: address()
    .prefault("127.0.0.1:50051")
    .describe("Where gRPC is served. Beyond loopback it needs `TLS_*` and `AUTH_*`."),
  HTTP_ADDR: address()
    .prefault("127.0.0.1:8080")
    .describe("Where Connect, gRPC-Web and JSON are served. Beyond loopback it needs `TLS_*` and `AUTH_*`."),
  ADMIN_ADDR: address()
    .prefault("127.0.0.1:9090")
    .describe(
      "Where `/livez`, `/readyz` and `/metrics` are served, without TLS or authentication: probes call " +
        "from other machines without credentials, and the answers tell nothing of callers or their data.",
    ),
  HTTP_CORS_ORIGINS: origins()
    .optional()
    .meta({
      fallback: "none",
      description:
        "Origins whose web pages may call the HTTP port from a browser, such as " +
        "`https://shop.example.com`, separated by commas. `*` is any and needs `AUTH_*`.",
    }),
  ALLOW_INSECURE_LISTEN: choice("false", "true")
    .prefault("false")
    .describe("`true` lets gRPC and HTTP listen beyond loopback without TLS or authentication."),
};
