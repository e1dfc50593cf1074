// The messages and methods that the bench calls.
export { InventoryService } from "../../src/gen/commerce/inventory/v1/inventory_service_pb.ts";
export * from "../../src/gen/commerce/order/v1/order_service_pb.ts";
export * from "../../src/gen/commerce/user/v1/user_service_pb.ts";
