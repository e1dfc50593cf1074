import {
  clearAttempts,
  countFailures,
  reserveAttempts,
  type Attempt,
  type CallerFailure,
} from "./users/attempts.ts";
import { adjustStock, type StockAdjustment } from "./products/adjust-stock.ts";
import { changeStatuses, type StatusChange } from "./orders/change-statuses.ts";
import { createLane, type LaneOptions } from "./engine/batcher.ts";
import { conclusively } from "./engine/conclusive.ts";
import type { Database } from "./engine/database.ts";
import { getProducts, type Product } from "./products/products.ts";
import { getOrders, type Order } from "./orders/orders.ts";
import type { Outcome } from "./outcome.ts";
import { createOrders, locksOf, type OrderDraft } from "./orders/place-orders.ts";
import type { Budget } from "./engine/retry.ts";
import { createUsers, getUsers, getUsersByEmail, type User, type UserDraft } from "./users/users.ts";

type Lane<Q, A> = (request: Q, budget: Budget) => Promise<A>;

/**
 * The calls that share round trips with others of their kind: point reads, and the writes that come in
 * crowds.
 */
export type Lanes = {
  readonly getUser: Lane<string, User | undefined>;
  readonly getUserByEmail: Lane<string, (User & { readonly passwordHash: string }) | undefined>;
  /** With its items. */
  readonly getOrder: Lane<string, Order | undefined>;
  readonly getProduct: Lane<string, Product | undefined>;
  readonly createUser: Lane<UserDraft, Outcome<User>>;
  readonly createOrder: Lane<OrderDraft, Outcome<Order>>;
  readonly changeStatus: Lane<StatusChange, Outcome<Order>>;
  readonly adjustStock: Lane<StockAdjustment, Outcome<Product>>;
  /** How many milliseconds the attempt is too early; 0: it may be judged. */
  readonly reserveAttempt: Lane<Attempt, number>;
  /** Takes the account's id. */
  readonly clearAttempts: Lane<string, void>;
  readonly countFailure: Lane<CallerFailure, void>;
};

/**
 * Two: one set is on its way while the next one gathers; more sets would be smaller, and conflict with each
 * other.
 */
const setsUnderWay = 2;

/** Enough to share a round trip among all who wait, few enough that none waits long for the others' rows. */
const requestsMax = 256;

/** Lines of the orders of a set: 128 orders of ten. */
const linesMax = 1_280;

/**
 * Opens the lanes to a database. Without `coalesce`, which is for measuring, every request is a set of one.
 */
export function createLanes(db: Database, coalesce: boolean): Lanes {
  const options = coalesce ? { sets: setsUnderWay, requestsMax } : { sets: Infinity, requestsMax: 1 };
  const reads = <T>(
    read: (budget: Budget, keys: readonly string[]) => Promise<readonly T[]>,
    keyOf: (row: T) => string,
  ): Lane<string, T | undefined> =>
    createLane(async (keys: readonly string[], budget: Budget) => {
      const rows = new Map((await read(budget, [...new Set(keys)])).map((row) => [keyOf(row), row]));
      return keys.map((key) => rows.get(key));
    }, options);
  const writes = <Q, A>(
    write: (db: Database, budget: Budget, requests: readonly Q[]) => Promise<readonly A[]>,
    { locksOf: toLocks = () => [], ...bounds }: Partial<LaneOptions<Q>> = {},
  ): Lane<Q, A> =>
    createLane((requests, budget) => conclusively(db, budget, (writer) => write(writer, budget, requests)), {
      ...options,
      ...bounds,
      writes: true,
      // Calls that leave alone meet at the database, as they would without lanes.
      locksOf: coalesce ? toLocks : () => [],
    });

  return {
    getUser: reads(
      (budget, ids) => getUsers(db, budget, ids),
      (user) => user.id,
    ),
    getUserByEmail: reads(
      (budget, emails) => getUsersByEmail(db, budget, emails),
      (user) => user.email,
    ),
    getOrder: reads(
      (budget, ids) => getOrders(db, budget, ids, true),
      (order) => order.id,
    ),
    getProduct: reads(
      (budget, ids) => getProducts(db, budget, ids),
      (product) => product.id,
    ),
    createUser: writes(createUsers, { keysOf: (user) => [user.id] }),
    createOrder: writes(createOrders, {
      keysOf: (order) => [order.id],
      locksOf,
      weigh: (order) => order.items.length,
      weightMax: linesMax,
    }),
    changeStatus: writes(
      async (writer, budget, changes: readonly StatusChange[]) =>
        (await changeStatuses(writer, budget, changes, { atomic: false })) as Outcome<Order>[],
      { keysOf: (change) => [change.orderId, change.idempotencyKey] },
    ),
    adjustStock: writes(adjustStock, {
      keysOf: (adjustment) => [adjustment.id],
      locksOf: (adjustment) => [adjustment.productId],
    }),
    // One account's attempts go one after the other, since the first decides about the second.
    reserveAttempt: writes(reserveAttempts, { keysOf: (attempt) => [attempt.accountId] }),
    clearAttempts: writes(clearAttempts, { locksOf: (accountId) => [accountId] }),
    countFailure: writes(countFailures, { locksOf: (failure) => [failure.callerId] }),
  };
}
