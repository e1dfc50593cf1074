import {
  clearAttempts,
  countFailures,
  reserveAttempts,
  type Attempt,
  type CallerFailure,
} from "./users/attempts.ts";
import { adjustStock, type StockAdjustment } from "./products/adjust-stock.ts";
import { changeStatuses } from "./orders/change-statuses.ts";
import type { StatusChange } from "./orders/status-changes.ts";
import { createBatcher, type BatcherOptions, type BatchObserver } from "./engine/batcher.ts";
import { type Database, within } from "./engine/database.ts";
import type { Read } from "./engine/work.ts";
import { getProducts, type Product } from "./products/products.ts";
import { getOrders, type Order } from "./orders/orders.ts";
import type { Outcome } from "./outcome.ts";
import { locksOf, type OrderDraft } from "./orders/order-drafts.ts";
import { createOrders } from "./orders/place-orders.ts";
import type { Deadline } from "./engine/deadline.ts";
import { createMutation, type Write } from "./engine/mutate.ts";
import { keepRefusal } from "./refusals.ts";
import type { Run, Statement } from "./engine/statement.ts";
import { createUsers, getUsers, getUsersByEmail, type User, type UserDraft } from "./users/users.ts";

type Batcher<Q, A> = (request: Q, deadline: Deadline) => Promise<A>;

/** Reads that share round trips: point reads with others of their kind, pages with pages of any kind. */
export type Reads = {
  readonly getUser: Batcher<string, User | undefined>;
  readonly getUserByEmail: Batcher<string, (User & { readonly passwordHash: string }) | undefined>;
  /** With its items. */
  readonly getOrder: Batcher<string, Order | undefined>;
  readonly getProduct: Batcher<string, Product | undefined>;
  /** Runs statements that read at most so many rows each, within the deadline of a call. */
  readonly run: (deadline: Deadline, rowsMax: number) => Run;
};

/** A statement that reads at most so many rows. */
type PageRead = Read & { readonly rowsMax: number };

/**
 * The calls that share round trips with others of their kind: point reads, and the writes that come in
 * crowds.
 */
export type Batchers = Reads & {
  readonly createUser: Batcher<UserDraft, Outcome<User>>;
  readonly createOrder: Batcher<OrderDraft, Outcome<Order>>;
  readonly changeStatus: Batcher<StatusChange, Outcome<Order>>;
  readonly adjustStock: Batcher<StockAdjustment, Outcome<Product>>;
  /** How many milliseconds the attempt is too early; 0: it may be judged. */
  readonly reserveAttempt: Batcher<Attempt, number>;
  /** Takes the account's id. */
  readonly clearAttempts: Batcher<string, void>;
  readonly countFailure: Batcher<CallerFailure, void>;
};

/**
 * Two: one batch is on its way while the next one gathers; more batches would be smaller, and conflict with
 * each other.
 */
const batchesUnderWay = 2;

/**
 * Enough to share a round trip among all waiting calls, few enough that none waits long for the others' rows.
 */
const requestsMax = 256;

/** Lines of the orders of a batch: 128 orders of ten. */
const linesMax = 1_280;

/** Without `coalesce`, which is for measuring, each request is a batch of one. */
function toOptions(coalesce: boolean): { readonly batches: number; readonly requestsMax: number } {
  return coalesce ? { batches: batchesUnderWay, requestsMax } : { batches: Infinity, requestsMax: 1 };
}

/**
 * A batch of pages is one statement after the other on one connection: more batches than of point reads, and
 * smaller ones, so that the database finds the rows of several at once.
 */
const pageBatches = { batches: 4, requestsMax: 16 };

/** Rows of the pages of a batch, so that a small page does not wait long for large ones. */
const pageRowsMax = 400;

/** Observes the batches of a kind, by its name for metrics and traces. */
export type ObserveBatches = (kind: string) => BatchObserver;

/** How calls share round trips. */
export type Sharing = {
  /** Whether they do. */
  readonly coalesce: boolean;
  readonly observe?: ObserveBatches | undefined;
};

/** Opens the batchers of reads to a database; see `createBatchers`. */
export function createReads(db: Database, { coalesce, observe }: Sharing): Reads {
  const pages = createBatcher(
    (reads: readonly PageRead[], deadline: Deadline) => db.queryAll(reads, deadline),
    {
      ...(coalesce ? pageBatches : toOptions(false)),
      weigh: ({ rowsMax }) => rowsMax,
      weightMax: pageRowsMax,
      observer: observe?.("pages"),
    },
  );
  const reads = <T>(
    kind: string,
    read: (run: Run, keys: readonly string[]) => Promise<readonly T[]>,
    keyOf: (row: T) => string,
  ): Batcher<string, T | undefined> =>
    createBatcher(
      (keys: readonly string[], deadline: Deadline) =>
        lookUp(keys, (each) => read(within(db, deadline), each), keyOf),
      { ...toOptions(coalesce), observer: observe?.(kind) },
    );
  return {
    getUser: reads("get_user", getUsers, byId),
    getUserByEmail: reads("get_user_by_email", getUsersByEmail, (user) => user.email),
    getOrder: reads("get_order", (run, ids) => getOrders(run, ids, true), byId),
    getProduct: reads("get_product", getProducts, byId),
    run:
      (deadline, rowsMax) =>
      async <Row>(statement: Statement<Row>, values: readonly unknown[]) =>
        (await pages({ statement, values, rowsMax }, deadline)) as Row[],
  };
}

/**
 * Opens the batchers to a database. Without `coalesce`, which is for measuring, each request is a batch of
 * one.
 */
export function createBatchers(db: Database, sharing: Sharing): Batchers {
  const { coalesce, observe } = sharing;
  const writes = <Q, A>(
    kind: string,
    write: Write<readonly Q[], readonly A[]>,
    { locksOf: toLocks = () => [], ...bounds }: Partial<BatcherOptions<Q>> = {},
  ): Batcher<Q, A> =>
    createBatcher(createMutation(db, write), {
      ...toOptions(coalesce),
      ...bounds,
      writes: true,
      // Calls that leave alone meet at the database, as they would without batchers.
      locksOf: coalesce ? toLocks : () => [],
      observer: observe?.(kind),
    });

  return {
    ...createReads(db, sharing),
    createUser: writes("create_user", createUsers, { keysOf: (user) => [user.id], toRepeated: keepRefusal }),
    createOrder: writes("create_order", createOrders, {
      keysOf: (order) => [order.id],
      locksOf,
      weigh: (order) => order.items.length,
      weightMax: linesMax,
      toRepeated: keepRefusal,
    }),
    changeStatus: writes("change_status", changeStatuses, {
      keysOf: (change) => [change.orderId, change.idempotencyKey],
      toRepeated: keepRefusal,
    }),
    adjustStock: writes("adjust_stock", adjustStock, {
      keysOf: (adjustment) => [adjustment.id],
      locksOf: (adjustment) => [adjustment.productId],
      toRepeated: keepRefusal,
    }),
    // One account's attempts go one after the other, since the first decides about the second.
    reserveAttempt: writes("reserve_attempt", reserveAttempts, { keysOf: (attempt) => [attempt.accountId] }),
    clearAttempts: writes("clear_attempts", clearAttempts, { locksOf: (accountId) => [accountId] }),
    countFailure: writes("count_failure", countFailures, { locksOf: (failure) => [failure.callerId] }),
  };
}

/** Reads the rows of keys, each once, and returns them in the order of the keys. */
async function lookUp<T>(
  keys: readonly string[],
  read: (keys: readonly string[]) => Promise<readonly T[]>,
  keyOf: (row: T) => string,
): Promise<(T | undefined)[]> {
  const rows = new Map((await read([...new Set(keys)])).map((row) => [keyOf(row), row]));
  return keys.map((key) => rows.get(key));
}

function byId({ id }: { readonly id: string }): string {
  return id;
}
