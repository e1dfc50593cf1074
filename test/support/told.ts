import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { expect } from "vitest";
import type { Config } from "../../src/config.ts";
import { InventoryService } from "../../src/gen/commerce/inventory/v1/inventory_service_pb.ts";
import { OrderService } from "../../src/gen/commerce/order/v1/order_service_pb.ts";
import { UserService } from "../../src/gen/commerce/user/v1/user_service_pb.ts";
import type { Failure } from "./errors.ts";
import { expectNamed } from "./policies.ts";
import { startProxy, type Proxy } from "./proxy.ts";
import { openShop, type Shop } from "./shop.ts";

/** What callers are told when the service's own deadline ends a call that the database has not answered. */
export const told = {
  /** Of a change with a request_id. */
  inDoubt: { code: "Unavailable", reason: "COMMIT_OUTCOME_UNKNOWN", retry: true },
  /** Of a change without. */
  inDoubtWithout: {
    code: "Unknown",
    reason: "COMMIT_OUTCOME_UNKNOWN",
    retry: true,
    metadata: { request_id: expect.stringMatching(/^[0-9a-f-]{36}$/) as string },
  },
  /** Of what changes nothing, or has not been sent. */
  away: { code: "Unavailable", reason: "DATABASE_UNAVAILABLE", retry: true },
  /** Of what has waited for a connection. */
  noConnection: { code: "ResourceExhausted", reason: "POOL_EXHAUSTED", retry: true },
  /** Of what has waited for its turn as a large read. */
  noTurn: { code: "ResourceExhausted", reason: "TOO_MANY_LARGE_READS", retry: true },
} as const satisfies Record<string, Failure>;

/** The service's own deadline, for calls without one. */
export const ownMs = 3_000;

export const ports = ["gRPC port", "HTTP port"] as const;

/**
 * A shop behind a proxy, whose own deadlines are short; its clients come through a port, with a deadline if
 * one is given. No deadline is longer than `longestMs`.
 */
export async function openAt(
  port: (typeof ports)[number],
  {
    timeoutMs,
    longestMs = ownMs,
    pool = {},
  }: { timeoutMs?: number | undefined; longestMs?: number; pool?: Partial<Config["pool"]> } = {},
): Promise<Shop & { readonly proxy: Proxy }> {
  const streams = { deadlineMsDefault: ownMs, deadlineMsMax: longestMs, idleMsMax: 500 };
  const calls = { deadlineMsDefault: ownMs, deadlineMsMax: longestMs, streams };
  const shop = await openShop({ calls, pool }, { through: startProxy });
  const timeout = timeoutMs === undefined ? {} : { defaultTimeoutMs: timeoutMs };
  const interceptors = [expectNamed];
  const transport =
    port === "gRPC port"
      ? createGrpcTransport({ baseUrl: shop.grpcUrl, interceptors, ...timeout })
      : createConnectTransport({ baseUrl: shop.httpUrl, httpVersion: "2", interceptors, ...timeout });
  return {
    ...shop,
    users: createClient(UserService, transport),
    orders: createClient(OrderService, transport),
    inventory: createClient(InventoryService, transport),
  };
}
