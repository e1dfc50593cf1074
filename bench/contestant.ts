import process from "node:process";
import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { DomainError } from "./service/database.ts";
import {
  type Binding,
  type Config,
  createAuthenticator,
  createPipeline,
  createRequestValidator,
  createTelemetry,
  parseConfig,
  startGrpcListener,
} from "./service/server.ts";

/** A service with some of its methods; the others answer UNIMPLEMENTED's kin. */
export function bindPart(service: DescService, implementation: object): Binding {
  const missing = ({ localName, name }: DescMethod) => [
    localName,
    () => {
      throw new DomainError("UNKNOWN_METHOD", `${name} is not served here`);
    },
  ];
  const others = Object.fromEntries(service.methods.map(missing)) as object;
  return { service, implementation: { ...others, ...implementation } };
}

/** What this process is told by the environment, which is what the service would be told. */
export function readConfig(): Config & { readonly database: { readonly kind: "remote" } } {
  const config = parseConfig(process.env);
  if (config.database.kind === "embedded") throw new Error("DATABASE_URL is missing");
  return config as ReturnType<typeof readConfig>;
}

/**
 * Serves methods through the service's own listener and pipeline until SIGTERM, and says where in the
 * words of the service.
 */
export async function serve(config: Config, bindings: readonly Binding[]): Promise<void> {
  const telemetry = await createTelemetry(config.telemetry);
  const authenticate = createAuthenticator(config.auth);
  const validator = createRequestValidator();
  const { methods } = createPipeline(bindings, { calls: config.calls, authenticate, telemetry, validator });
  const { messageBytesMax } = config.calls;
  const { refused } = telemetry;
  const limits = { messageBytesMax, connections: { max: Infinity, peerMax: Infinity }, refused };
  const listener = await startGrpcListener(methods, { address: config.grpcAddr, ...limits });
  process.stdout.write(`ready\n  gRPC  ${listener.address.host}:${listener.address.port}\n`);
  process.once("SIGTERM", () => process.exit(0));
}
