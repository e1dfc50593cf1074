import type { Call, Service } from "../call.ts";
import { changeStatusesAtomically } from "../db/orders/change-statuses.ts";
import type { StatusChange } from "../db/orders/status-changes.ts";
import type { Database } from "../db/engine/database.ts";
import { mutate } from "../db/engine/mutate.ts";
import { invalid, notFound, orderType } from "../errors.ts";
import { deriveId, fingerprint } from "../db/ids.ts";
import type { Batchers, Reads } from "../db/batchers.ts";
import { allStatuses, type OrderStatus as StoredStatus } from "../db/order-status.ts";
import * as db from "../db/orders/orders.ts";
import { expectOk } from "../db/outcome.ts";
import type { Sources } from "../db/sources.ts";
import {
  OrderStatus,
  OrderView,
  StockPolicy,
  type ListOrderEventsRequest,
  type ListOrderEventsResponseSchema,
  type OrderSchema,
  type OrderService,
  type OrderStatusChange,
} from "../gen/commerce/order/v1/order_service_pb.ts";
import type { ImportMethod } from "./imports.ts";
import { toPage, toPageSize, type Pages } from "./pages.ts";
import { parseDraft } from "./order-drafts.ts";
import { parseVersion, toEtag } from "../db/etag.ts";
import { toId, toMoney, toTime, type WholeMessage } from "./parse.ts";
import { toSource } from "./sources.ts";
import { last } from "../lists.ts";

/** What the order service needs beside the database. */
export type OrderParts = { readonly batchers: Batchers; readonly sources: Sources; readonly pages: Pages };

/** Implements the methods of the order service other than imports. */
export function orderService(
  database: Database,
  { batchers, sources, pages }: OrderParts,
): Omit<Service<typeof OrderService>, ImportMethod> {
  return {
    async createOrder(request, call) {
      const id = deriveId(call.principal, "CreateOrder", request.requestId);
      const draft = parseDraft(request, { id, refusalMs: call.refusalMs });
      return { order: toMessage(expectOk(await batchers.createOrder(draft, call))) };
    },

    async getOrder(request, call) {
      const id = toId(request.id);
      const basic = request.view === OrderView.BASIC;
      const reads = toSource(sources, request);
      const order = basic
        ? (await db.getOrders(reads.run(call, 1), [id], false))[0]
        : await reads.getOrder(id, call);
      if (!order) throw notFound(orderType, id);
      return { order: toMessage(order) };
    },

    async listOrders(request, call) {
      const userId = request.userId === "" ? undefined : toId(request.userId);
      const status =
        request.status === OrderStatus.UNSPECIFIED ? undefined : parseStatus("status", request.status);
      const withItems = request.view === OrderView.FULL;
      const scope = ["ListOrders", userId ?? "", status ?? ""];
      const size = toPageSize(request.pageSize);
      const after = await pages.parse(request.pageToken, scope);
      const filter = { userId, status, withItems };
      const run = toSource(sources, request).run(call, size);
      const { orders, more } = await db.listOrders(run, filter, after, size);
      const nextPageToken = more ? pages.toToken(last(orders), scope) : "";
      return { orders: orders.map(toMessage), nextPageToken };
    },

    async updateOrderStatus(request, call) {
      const change = parseChange(request, "", call, "UpdateOrderStatus", request.requestId, 0);
      return { order: toMessage(expectOk(await batchers.changeStatus(change, call))) };
    },

    async batchUpdateOrderStatuses(request, call) {
      const all = fingerprint(...request.changes.map((c) => [toId(c.id), c.status, c.etag]));
      const changes = request.changes.map((c, n) => ({
        ...parseChange(c, `changes[${n}].`, call, "BatchUpdateOrderStatuses", request.requestId, n),
        fingerprint: all,
      }));
      expectDistinct(changes);
      const orders = await mutate(database, call, changeStatusesAtomically, changes);
      return { orders: orders.map(toMessage) };
    },

    listOrderEvents: (request, call) => listEvents(toSource(sources, request), pages, request, call),
  };
}

async function listEvents(
  reads: Reads,
  pages: Pages,
  request: ListOrderEventsRequest,
  call: Call,
): Promise<WholeMessage<typeof ListOrderEventsResponseSchema>> {
  const orderId = toId(request.orderId);
  const scope = ["ListOrderEvents", orderId];
  const size = toPageSize(request.pageSize);
  // The cursor's first part is a version here, by which the events of an order are listed.
  const first = { createTime: 0n, id: orderId };
  const { createTime: version } = await pages.parse(request.pageToken, scope, first);
  const events = await db.listOrderEvents(reads.run(call, size), orderId, version, size + 1);
  const { entries, nextPageToken } = toPage(events, size, (final) =>
    pages.toToken({ createTime: final.version, id: orderId }, scope),
  );
  return {
    events: entries.map((event) => ({
      version: event.version,
      status: statuses[event.status],
      createTime: toTime(event.createTime),
    })),
    nextPageToken,
  };
}

/** The contract and the database have the same names of statuses, or this does not compile. */
const statuses = Object.fromEntries(
  allStatuses.map((status) => [status, OrderStatus[status.toUpperCase() as Uppercase<StoredStatus>]]),
) as Readonly<Record<StoredStatus, OrderStatus>>;

const storedStatuses = new Map(allStatuses.map((status) => [statuses[status], status]));

function parseStatus(field: string, status: OrderStatus): StoredStatus {
  const stored = storedStatuses.get(status);
  if (stored === undefined) throw invalid(field, "must be a status");
  return stored;
}

function toMessage(order: db.Order): WholeMessage<typeof OrderSchema> {
  return {
    id: order.id,
    userId: order.userId,
    status: statuses[order.status],
    total: toMoney(order.currencyCode, order.total),
    items: (order.items ?? []).map(({ id, productId, quantity, unitPrice }) => ({
      id,
      productId,
      quantity,
      unitPrice: toMoney(order.currencyCode, unitPrice),
    })),
    itemCount: order.itemCount,
    stockPolicy: order.reservesStock ? StockPolicy.RESERVE : StockPolicy.NONE,
    createTime: toTime(order.createTime),
    updateTime: toTime(order.updateTime),
    etag: toEtag(order.version),
  };
}

function parseChange(
  change: Pick<OrderStatusChange, "id" | "status" | "etag">,
  prefix: string,
  call: Call,
  method: string,
  requestId: string,
  index: number,
): StatusChange {
  const orderId = toId(change.id);
  return {
    orderId,
    status: parseStatus(`${prefix}status`, change.status),
    version: parseVersion(`${prefix}etag`, change.etag),
    idempotencyKey: deriveId(call.principal, method, requestId, index),
    fingerprint: fingerprint(orderId, change.status, change.etag),
    refusalMs: call.refusalMs,
  };
}

function expectDistinct(changes: readonly StatusChange[]): void {
  const first = new Map<string, number>();
  for (const [n, { orderId }] of changes.entries()) {
    const before = first.get(orderId);
    if (before !== undefined) throw invalid(`changes[${n}].id`, `repeats the order of changes[${before}]`);
    first.set(orderId, n);
  }
}
