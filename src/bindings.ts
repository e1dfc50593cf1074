import type { Config } from "./config.ts";
import type { Databases } from "./databases.ts";
import type { Database } from "./db/engine/database.ts";
import { createBatchers } from "./db/batchers.ts";
import { createDeadline } from "./db/engine/deadline.ts";
import { findSecret, getSecret } from "./db/secrets.ts";
import { createSources } from "./db/sources.ts";
import { InventoryService } from "./gen/commerce/inventory/v1/inventory_service_pb.ts";
import { OrderService } from "./gen/commerce/order/v1/order_service_pb.ts";
import { UserService } from "./gen/commerce/user/v1/user_service_pb.ts";
import { Health as HealthService } from "./gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "./gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionV1Alpha } from "./gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { healthService, type Health } from "./rpc/health.ts";
import { bind, type Binding } from "./rpc/pipeline.ts";
import { reflectionServices } from "./rpc/reflection.ts";
import { toStatus } from "./rpc/status.ts";
import { createBatchObservers } from "./telemetry/batches.ts";
import type { Telemetry } from "./telemetry/telemetry.ts";
import type { RequestValidator } from "./rpc/validation.ts";
import type { Chunk } from "./services/chunks.ts";
import { type ImportMethod, importService } from "./services/imports.ts";
import { inventoryService } from "./services/products.ts";
import { createLogins } from "./services/logins.ts";
import { orderService } from "./services/orders.ts";
import { createPageKeys } from "./services/page-keys.ts";
import { createPages } from "./services/pages.ts";
import { createPasswords } from "./services/passwords.ts";
import { userService, type UserParts } from "./services/users.ts";

/** The services of the contract, without those for probes and tools. */
export const services = [UserService, OrderService, InventoryService];

/**
 * In milliseconds, for reading one row: a database that was just reached and takes longer cannot serve calls.
 */
const secretMsMax = 10_000;

/** Creates what the services need beside the database. The secrets it reads are shared by all replicas. */
export async function createParts(
  { db, stale }: Pick<Databases, "db" | "stale">,
  config: Config,
  telemetry: Telemetry,
): Promise<UserParts> {
  const deadline = createDeadline(secretMsMax);
  const pageKeys = await createPageKeys({
    ofPeriod: (period) => getSecret(db, createDeadline(secretMsMax), `page_tokens/${period}`),
    ofBefore: () => findSecret(db, deadline, "page_tokens"),
  });
  const { coalesce } = config.calls;
  const sharing = { coalesce, observe: createBatchObservers(telemetry) };
  const batchers = createBatchers(db, sharing);
  const sources = createSources(batchers, stale, sharing);
  const passwords = createPasswords(config.workers);
  telemetry.value("commerce_passwords_pending", "Passwords being hashed or waiting.", passwords.queued);
  const limits = { ...config.logins, knowsCallers: config.auth !== undefined };
  const logins = createLogins(db, batchers, limits, await getSecret(db, deadline, "login_attempts"));
  return { pages: createPages(pageKeys), batchers, sources, passwords, logins };
}

/** Counts the rows of imports. */
function createRowCount({ counter }: Telemetry): (method: ImportMethod, chunk: Chunk) => void {
  const count = counter({
    name: "commerce_import_rows_total",
    help: "Rows of imports by what became of them: written now, written by an earlier attempt, or refused.",
    labels: ["rpc_method", "outcome"],
  });
  return (method, { insertedCount, existingCount, refused }) => {
    const { parent, name } = OrderService.method[method];
    const rows = { inserted: insertedCount, repeated: existingCount, refused: refused.length };
    for (const [outcome, number] of Object.entries(rows))
      count({ rpc_method: `${parent.typeName}/${name}`, outcome }, number);
  };
}

/** How long a chunk of an import may take, in milliseconds, as the contract has it; no longer than a call. */
const chunkMsMax = 60_000;

/** All services with their implementations. */
export function bindAll(
  db: Database,
  parts: UserParts,
  health: Health,
  { check }: RequestValidator,
  calls: Config["calls"],
  telemetry: Telemetry,
): Binding[] {
  const reflection = reflectionServices([...services, HealthService]);
  const tools = { check, toStatus, onChunk: createRowCount(telemetry) };
  const imports = importService(db, tools, Math.min(calls.deadlineMsMax, chunkMsMax));
  return [
    bind(UserService, userService(db, parts)),
    bind(OrderService, { ...orderService(db, parts), ...imports }),
    bind(InventoryService, inventoryService(db, parts)),
    bind(HealthService, healthService(health)),
    bind(ServerReflection, reflection.v1),
    bind(ServerReflectionV1Alpha, reflection.v1alpha),
  ];
}
