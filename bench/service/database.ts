// What the bench takes from the side of the database: an embedded server, filled tables, connections and
// statements.
export { loadTables } from "../../scripts/load-tables.ts";
export type { Connection } from "../../src/config.ts";
export { startEmbedded } from "../../src/db/embedded/embedded.ts";
export { toClientConfig } from "../../src/db/engine/connection.ts";
export { createDatabase, type Database, within } from "../../src/db/engine/database.ts";
export type { Deadline } from "../../src/db/engine/deadline.ts";
export { toDecimal, toE4 } from "../../src/db/engine/pg-types.ts";
export { allStatements } from "../../src/db/engine/statement.ts";
export { allStatuses, type OrderStatus as StatusName, targetsOf } from "../../src/db/order-status.ts";
export { changeStatuses } from "../../src/db/orders/change-statuses.ts";
export { createOrders } from "../../src/db/orders/place-orders.ts";
export { listUsers, type User } from "../../src/db/users/users.ts";
export { DomainError } from "../../src/errors.ts";
