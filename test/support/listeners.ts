import { type Client, createClient, type Interceptor } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import type { Service } from "../../src/call.ts";
import type { Config } from "../../src/config.ts";
import { Health as HealthDesc } from "../../src/gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../src/gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as V1Alpha } from "../../src/gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { UserService } from "../../src/gen/commerce/user/v1/user_service_pb.ts";
import { type AdminListener, startAdminListener } from "../../src/rpc/admin.ts";
import type { Authenticate } from "../../src/rpc/auth.ts";
import type { ConnectionLimits } from "../../src/rpc/connections.ts";
import { drainListeners } from "../../src/rpc/drain.ts";
import { startGrpcListener } from "../../src/rpc/grpc.ts";
import { createHealth, type Health, healthService } from "../../src/rpc/health.ts";
import { startHttpListener } from "../../src/rpc/http.ts";
import type { CallLimits } from "../../src/rpc/limits.ts";
import { type Listener, toHostPort } from "../../src/rpc/listen.ts";
import { type Binding, bind, createPipeline, type Pipeline } from "../../src/rpc/pipeline.ts";
import { reflectionServices } from "../../src/rpc/reflection.ts";
import { openTelemetry } from "./telemetry.ts";
import type { Tls } from "../../src/rpc/tls.ts";
import { createRequestValidator } from "../../src/rpc/validation.ts";

/** All listeners, on free ports, before services that a test gives. */
export type Listeners = AsyncDisposable & {
  readonly grpc: Listener;
  readonly http: Listener;
  readonly admin: AdminListener;
  readonly health: Health;
  readonly pipeline: Pipeline;
  /** The log so far, parsed. */
  readonly lines: readonly Record<string, unknown>[];
};

const CALLS: CallLimits = {
  inFlightMax: 100,
  streamsMax: 100,
  messageBytesMax: 1 << 20,
  deadlineMsDefault: 5_000,
  deadlineMsMax: 60_000,
  streams: {},
  refusalMs: 60_000,
};
const ANY_PORT = { host: "127.0.0.1", port: 0 };

/** Starts the listeners. `users` implements as much of UserService as the test calls. */
export async function startListeners(
  users: Partial<Service<typeof UserService>> = {},
  options: {
    readonly calls?: Partial<CallLimits>;
    readonly authenticate?: Authenticate;
    readonly tls?: Tls;
    readonly bindings?: readonly Binding[];
    readonly telemetry?: Partial<Config["telemetry"]>;
    readonly connections?: Partial<ConnectionLimits>;
    readonly connectionAgeMs?: number;
    readonly corsOrigins?: readonly string[];
  } = {},
): Promise<Listeners> {
  const { lines, telemetry } = await openTelemetry({ logLevel: "debug", ...options.telemetry });
  const calls = { ...CALLS, ...options.calls };
  const services = [HealthDesc, UserService];
  const health = createHealth(services.map((service) => service.typeName));
  const reflection = reflectionServices(services);
  const unimplemented = Object.fromEntries(
    UserService.methods.map((method) => [
      method.localName,
      () => Promise.reject(new Error("not in this test")),
    ]),
  );
  const pipeline = createPipeline(
    [
      bind(HealthDesc, healthService(health)),
      bind(ServerReflection, reflection.v1),
      bind(V1Alpha, reflection.v1alpha),
      bind(UserService, { ...unimplemented, ...users } as Service<typeof UserService>),
      ...(options.bindings ?? []),
    ],
    {
      calls,
      authenticate: options.authenticate ?? (async () => "anonymous"),
      telemetry,
      validator: createRequestValidator(),
    },
  );
  const common = {
    address: ANY_PORT,
    messageBytesMax: calls.messageBytesMax,
    connections: { max: 1_000, peerMax: 1_000, ...options.connections },
    refused: telemetry.refused,
    tls: options.tls,
  };
  const grpc = await startGrpcListener(pipeline.methods, {
    ...common,
    ...(options.connectionAgeMs && { connectionAgeMs: options.connectionAgeMs }),
  });
  const { corsOrigins = [] } = options;
  const http = await startHttpListener(pipeline.methods, { ...common, corsOrigins });
  const { scrape, refused } = telemetry;
  const admin = await startAdminListener({ address: ANY_PORT, readiness: health.readiness, scrape, refused });
  return {
    grpc,
    http,
    admin,
    health,
    pipeline,
    lines,
    async [Symbol.asyncDispose]() {
      for (const owned of [grpc, http, admin, telemetry]) await owned[Symbol.asyncDispose]();
    },
  };
}

/** Drains the listeners; by default with more grace than a test may take. */
export function drain(
  { health, pipeline, grpc, http }: Listeners,
  times = { drainMs: 0, graceMs: 600_000 },
): Promise<boolean> {
  return drainListeners({ health, pipeline, listeners: [grpc, http] }, times);
}

/** All metrics of the listeners, as they are scraped. */
export async function readMetrics(listeners: Listeners): Promise<string> {
  return (await fetch(`http://127.0.0.1:${listeners.admin.address.port}/metrics`)).text();
}

/** The ways into the listeners: a client library of each protocol. */
export const PROTOCOLS = [
  "gRPC listener",
  "gRPC",
  "gRPC-Web",
  "Connect",
  "Connect over HTTP/1.1 with JSON",
] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** A client of UserService that speaks a protocol. */
export function userClient(
  listeners: Listeners,
  protocol: Protocol,
  token?: string,
): Client<typeof UserService> {
  return createClient(UserService, transport(listeners, protocol, token));
}

/** A transport that speaks a protocol, with a token in each call if one is given. */
export function transport(listeners: Listeners, protocol: Protocol, token?: string) {
  const authorize: Interceptor = (next) => (request) => {
    request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
  const interceptors = token === undefined ? [] : [authorize];
  const { address } = protocol === "gRPC listener" ? listeners.grpc : listeners.http;
  const baseUrl = `http://${toHostPort(address)}`;
  switch (protocol) {
    case "gRPC listener":
    case "gRPC":
      return createGrpcTransport({ baseUrl, interceptors });
    case "gRPC-Web":
      return createGrpcWebTransport({ baseUrl, httpVersion: "2", interceptors });
    case "Connect":
      return createConnectTransport({ baseUrl, httpVersion: "2", interceptors });
    case "Connect over HTTP/1.1 with JSON":
      return createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false, interceptors });
    default:
      return protocol satisfies never;
  }
}
