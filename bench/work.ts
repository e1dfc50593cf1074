import { randomUUID } from "node:crypto";
import type { DescMethod, MessageInitShape } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import type pg from "pg";
import { type Calls, choose, cycle, encode, once, pathOf, price } from "./calls.ts";
import { type Client, ok } from "./client.ts";
import { createCopies, createImports } from "./imports.ts";
import { OrderService, OrderStatus, UserService } from "./service/contract.ts";
import {
  allStatements,
  changeStatuses,
  createOrders,
  type Database,
  type Deadline,
  DomainError,
  within,
} from "./service/database.ts";
import type { Work } from "./slice.ts";

/** Orders that are encoded before the load begins, and sent in turn: each time they are new orders. */
const templates = 4_096;

const { getUser } = UserService.method;
const { createOrder, updateOrderStatus, listOrders } = OrderService.method;
/** The calls of a slice over gRPC. All messages are encoded before the first call. */
export function createCalls(work: Work, client: Client): Calls {
  switch (work.method) {
    case "GetUser":
      return over(
        getUser,
        work.userIds.map((id) => ({ id })),
        client,
      );
    case "CreateOrder":
      return over(
        createOrder,
        Array.from({ length: templates }, () => toOrder(work)),
        client,
      );
    case "ListOrders":
      return over(
        listOrders,
        work.pages.map(({ token }) => ({ pageSize: work.pageSize, pageToken: token })),
        client,
      );
    case "ListOrdersOfUser":
      return over(
        listOrders,
        work.userIds.map((userId) => ({ pageSize: work.pageSize, userId })),
        client,
      );
    case "UpdateOrderStatus": {
      const steps = work.orderIds.map((id) =>
        lifetime.map((status) => encode(updateOrderStatus, { id, status })),
      );
      return once(steps, async (frame) => (await client.call(pathOf(updateOrderStatus), frame)).code);
    }
    case "ImportOrders":
    case "ImportOrderItems":
      return createImports(work, client);
    default:
      return work satisfies never;
  }
}

const lifetime = [OrderStatus.CONFIRMED, OrderStatus.SHIPPED, OrderStatus.DELIVERED];

/** The same work done by the service's statements for one call each, without the service. */
export function createEngineCalls(work: Work, pool: pg.Pool, db: Database): Calls {
  switch (work.method) {
    case "GetUser": {
      const values = work.userIds.map((id) => [[id]]);
      return cycle(values, (one) => query(pool, "users.get", one));
    }
    case "ListOrders": {
      const values = work.pages.map(({ createTime, id }) => [createTime, id, work.pageSize + 1]);
      return cycle(values, (one) => query(pool, "orders.list", one));
    }
    case "ListOrdersOfUser": {
      const newest = [new Date(Date.now() + 86_400_000).toISOString(), randomUUID()];
      const values = work.userIds.map((id) => [...newest, work.pageSize + 1, id]);
      return cycle(values, (one) => query(pool, "orders.list_by_user", one));
    }
    case "CreateOrder": {
      const drafts = Array.from({ length: templates }, () => toDraft(work));
      return cycle(drafts, async (draft) => {
        const own = { ...draft, id: randomUUID() };
        return toCode(createOrders(within(db, deadline()), [own]));
      });
    }
    case "UpdateOrderStatus": {
      const steps = work.orderIds.map((orderId) =>
        (["confirmed", "shipped", "delivered"] as const).map((status) => ({ orderId, status })),
      );
      return once(steps, async (step) => {
        const keys = { version: undefined, idempotencyKey: randomUUID(), fingerprint: randomUUID() };
        const change = { ...step, ...keys, refusalMs: 0 };
        return toCode(changeStatuses(within(db, deadline()), [change]));
      });
    }
    case "ImportOrders":
    case "ImportOrderItems":
      return createCopies(work, pool);
    default:
      return work satisfies never;
  }
}

function over<M extends DescMethod>(
  method: M,
  requests: readonly MessageInitShape<M["input"]>[],
  client: Client,
): Calls {
  const frames = requests.map((request) => encode(method, request));
  return cycle(frames, async (frame) => (await client.call(pathOf(method), frame)).code);
}

type OrderWork = Extract<Work, { readonly method: "CreateOrder" }>;

function toOrder(work: OrderWork) {
  const items = chooseItems(work).map((item) => ({ ...item, unitPrice: price }));
  return { userId: choose(work.userIds), items };
}

function toDraft(work: OrderWork) {
  const unitPrice = 99_900n;
  const items = chooseItems(work).map((item) => ({ ...item, id: randomUUID(), unitPrice }));
  const total = items.reduce((sum, { quantity }) => sum + BigInt(quantity) * unitPrice, 0n);
  const owner = { userId: choose(work.userIds), fingerprint: randomUUID(), currencyCode: "EUR" };
  return { ...owner, total, reservesStock: true, refusalMs: 0, items };
}

function chooseItems({ items, productIds, quantityMax }: OrderWork) {
  return Array.from({ length: items }, () => ({
    productId: choose(productIds),
    quantity: 1 + Math.floor(Math.random() * quantityMax),
  }));
}

async function query(pool: pg.Pool, name: string, values: unknown[]): Promise<number> {
  const { text } = allStatements().find((statement) => statement.name === name)!;
  const { rows } = await pool.query({ name, text, values });
  return rows.length > 0 ? ok : Code.NotFound;
}

/** The outcome of a batch of one, as a status: the service would answer what is thrown by others. */
async function toCode(outcomes: Promise<readonly unknown[]>): Promise<number> {
  try {
    const [outcome] = await outcomes;
    if (!(outcome instanceof DomainError)) return ok;
    return outcome.kind === "failed_precondition" ? Code.FailedPrecondition : Code.Unknown;
  } catch (error) {
    return deadlinePassed(error) ? Code.DeadlineExceeded : Code.Unknown;
  }
}

function deadlinePassed(error: unknown): boolean {
  return error instanceof Error && error.name === "TimeoutError";
}

/** As long as a call to the service may take. */
function deadline(): Deadline {
  return { signal: AbortSignal.timeout(5_000), deadlineMs: Date.now() + 5_000 };
}
