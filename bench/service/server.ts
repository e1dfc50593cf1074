// What the bench takes from the side of the callers: the listener, the pipeline and a service function.
export { type Config, parseConfig } from "../../src/config.ts";
export type { Batchers } from "../../src/db/batchers.ts";
export { createAuthenticator } from "../../src/rpc/auth.ts";
export { startGrpcListener } from "../../src/rpc/grpc.ts";
export { type Binding, createPipeline } from "../../src/rpc/pipeline.ts";
export { CallId } from "../../src/telemetry/call-id.ts";
export { createTelemetry } from "../../src/telemetry/telemetry.ts";
export { createRequestValidator } from "../../src/rpc/validation.ts";
export { createPages } from "../../src/services/pages.ts";
export { parseMoney, toMoney, toTime } from "../../src/services/parse.ts";
export { createPasswords } from "../../src/services/passwords.ts";
export { userService } from "../../src/services/users.ts";
