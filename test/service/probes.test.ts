import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "../../src/gen/grpc/health/v1/health_pb.ts";
import { failure } from "../support/errors.ts";
import { sumOf } from "../support/metrics.ts";
import { openShop, type Shop } from "../support/shop.ts";

const follow = [
  "",
  "commerce.inventory.v1.InventoryService",
  "commerce.order.v1.OrderService",
  "commerce.user.v1.UserService",
];

/** One for all tests of this file: probes change nothing. */
let shop: Shop;

beforeAll(async () => {
  shop = await openShop();
});

afterAll(async () => {
  await shop[Symbol.asyncDispose]();
});

const healthAt = (listener: "grpcUrl" | "httpUrl") =>
  createClient(Health, createGrpcTransport({ baseUrl: shop[listener] }));

test.each([...follow, "liveness"])('Check answers SERVING for "%s" on both ports', async (service) => {
  const answers = [
    await healthAt("grpcUrl").check({ service }),
    await healthAt("httpUrl").check({ service }),
  ];

  expect(answers).toMatchObject([{ status: Status.SERVING }, { status: Status.SERVING }]);
});

test("Check fails with NOT_FOUND for a service that nobody serves", async () => {
  const failed = await failure(healthAt("grpcUrl").check({ service: "commerce.user.v1.Nobody" }));

  expect(failed).toMatchObject({
    code: "NotFound",
    resource: "grpc.health.v1.service/commerce.user.v1.Nobody",
  });
});

test("List answers all of them", async () => {
  const { statuses } = await healthAt("grpcUrl").list({});

  expect(Object.keys(statuses).toSorted()).toEqual([...follow, "liveness"]);
});

test("the admin port answers that the process lives and is ready", async () => {
  const { port } = shop.server.admin;

  const [live, ready] = await Promise.all(
    ["/livez", "/readyz"].map((path) => fetch(`http://127.0.0.1:${port}${path}`)),
  );

  expect([live!.status, await live!.json()]).toEqual([200, { live: true }]);
  expect([ready!.status, await ready!.json()]).toEqual([200, { ready: true }]);
});

test("the admin port counts calls and connections and tells nothing of callers or the database", async () => {
  const { email, id } = await shop.user();
  await shop.users.authenticateUser({ email, password: "correct horse" });

  const metrics = await (await fetch(`http://127.0.0.1:${shop.server.admin.port}/metrics`)).text();

  const method = "commerce.user.v1.UserService/AuthenticateUser";
  const labels = { rpc_method: method, rpc_system_name: "grpc" };
  const ended = { ...labels, rpc_response_status_code: "OK", error_type: "" };
  expect(sumOf(metrics, "rpc_server_calls_started_total", labels)).toBe(1);
  expect(sumOf(metrics, "rpc_server_call_duration_seconds_count", ended)).toBe(1);
  const primary = { db_client_connection_pool_name: "primary" };
  expect(sumOf(metrics, "db_client_connection_max", primary)).toBe(shop.config.pool.connsMax);
  for (const gauge of ["db_client_connections", "db_client_connection_pending_requests"])
    expect(sumOf(metrics, gauge)).toBeGreaterThanOrEqual(0);
  const { password, user, database } = shop.connection;
  for (const secret of [password ?? "correct horse", `${user}@`, database, email, id, "correct horse"])
    expect(metrics).not.toContain(secret);
});
