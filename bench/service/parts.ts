// The functions of the service that a call goes through, for measuring each by itself.
export type { Call } from "../../src/call.ts";
export { createBatcher } from "../../src/db/engine/batcher.ts";
export { type Column, createRowReader } from "../../src/db/engine/columns.ts";
export { hearBytes } from "../../src/db/engine/data-rows.ts";
export { toParameter } from "../../src/db/engine/pg-types.ts";
export { runStatements } from "../../src/db/engine/query.ts";
export { encode } from "../../src/rpc/encoding.ts";
export { createInFlightLimit } from "../../src/rpc/in-flight.ts";
export { createLifetimes, type Incoming } from "../../src/rpc/lifetime.ts";
export { limitsOf } from "../../src/rpc/limits.ts";
export { createRequestReader } from "../../src/rpc/reading.ts";
export { createReceipt } from "../../src/rpc/receipt.ts";
export { orderService } from "../../src/services/orders.ts";
