export type { Attempt, AttemptEnd, OnAttempt, Token } from "./attempts.ts";
export { type ClientOptions, type CommerceClient, createCommerceClient } from "./client.ts";
export type { Inventory, Orders, Users } from "./client.ts";
export { CommerceError, type FailedCall, type Reason, refusalOf } from "./errors.ts";
export type { FactsByReason } from "./gen/reasons.ts";
export type { RetryOptions } from "./repeats.ts";
export * from "./gen/commerce/inventory/v1/inventory_service_pb.ts";
export * from "./gen/commerce/order/v1/order_service_pb.ts";
export * from "./gen/commerce/user/v1/user_service_pb.ts";
