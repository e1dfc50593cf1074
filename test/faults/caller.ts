import { createClient, type CallOptions } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { InventoryService, type Product } from "../../src/gen/commerce/inventory/v1/inventory_service_pb.ts";
import {
  OrderService,
  OrderStatus,
  OrderView,
  StockPolicy,
  type Order,
  type OrderItem,
} from "../../src/gen/commerce/order/v1/order_service_pb.ts";
import { UserService, type User } from "../../src/gen/commerce/user/v1/user_service_pb.ts";
import type { Money } from "../../src/gen/google/type/money_pb.ts";
import { toFailure } from "../support/errors.ts";
import {
  toKind,
  type Line,
  type Outcome,
  type Request,
  type Seen,
  type SeenOrder,
  type Status,
} from "./history.ts";

/** Makes one attempt of a call; `pageToken` is for lists. Never throws. */
export type Attempt = (request: Request, options: CallOptions, pageToken?: string) => Promise<Answer>;

/** How an attempt ended and, for a list, the token of the next page. */
export type Answer = { readonly outcome: Outcome; readonly nextPageToken: string };

/** Pages are small, so that a walk through few orders has several. */
const pageSize = 7;

type Part = Partial<Seen> & { readonly nextPageToken?: string };

/** Calls a service over gRPC. */
export function createAttempt(grpcUrl: string): Attempt {
  const transport = createGrpcTransport({ baseUrl: grpcUrl });
  const users = createClient(UserService, transport);
  const orders = createClient(OrderService, transport);
  const inventory = createClient(InventoryService, transport);

  async function call(request: Request, options: CallOptions, pageToken: string): Promise<Part> {
    switch (request.method) {
      case "CreateUser":
        return showUser((await users.createUser({ ...request, password: "correct horse" }, options)).user!);
      case "UpdateUser": {
        const { id, name, etag, requestId } = request;
        return showUser((await users.updateUser({ user: { id, name, etag }, requestId }, options)).user!);
      }
      case "GetUser":
        return showUser((await users.getUser(request, options)).user!);
      case "CreateProduct": {
        const onHand = BigInt(request.onHand);
        return showProduct((await inventory.createProduct({ ...request, onHand }, options)).product!);
      }
      case "AdjustStock": {
        const delta = BigInt(request.delta);
        return showProduct((await inventory.adjustStock({ ...request, delta }, options)).product!);
      }
      case "GetProduct":
        return showProduct((await inventory.getProduct(request, options)).product!);
      case "CreateOrder": {
        const stockPolicy = request.reserves ? StockPolicy.RESERVE : StockPolicy.NONE;
        const items = request.lines.map((line) => ({ ...line, unitPrice: toMoney(line.unitPrice) }));
        return showOrders(
          [(await orders.createOrder({ ...request, items, stockPolicy }, options)).order!],
          true,
        );
      }
      case "UpdateOrderStatus": {
        const [change] = request.changes;
        const message = { ...change!, status: statuses[change!.status], requestId: request.requestId };
        return showOrders([(await orders.updateOrderStatus(message, options)).order!], false);
      }
      case "BatchUpdateOrderStatuses": {
        const changes = request.changes.map((change) => ({ ...change, status: statuses[change.status] }));
        const answer = await orders.batchUpdateOrderStatuses(
          { requestId: request.requestId, changes },
          options,
        );
        return showOrders(answer.orders, false);
      }
      case "GetOrder":
        return showOrders([(await orders.getOrder(request, options)).order!], true);
      case "ListOrders": {
        const message = { userId: request.userId, view: OrderView.FULL, pageSize, pageToken };
        const { orders: page, nextPageToken } = await orders.listOrders(message, options);
        return { ...showOrders(page, true), more: nextPageToken !== "", nextPageToken };
      }
      case "ListOrderEvents": {
        const { events } = await orders.listOrderEvents({ orderId: request.id }, options);
        return {
          events: events.map(({ version, status }) => ({
            orderId: request.id,
            version: Number(version),
            status: statusNames.get(status)!,
          })),
        };
      }
      default:
        return request satisfies never;
    }
  }

  return async (request, options, pageToken = "") => {
    try {
      const { nextPageToken = "", ...part } = await call(request, options, pageToken);
      const nothing = { users: [], products: [], orders: [], events: [], more: false };
      return { outcome: { kind: "ok", ...nothing, ...part }, nextPageToken };
    } catch (error) {
      const { code, reason = "" } = toFailure(error);
      return { outcome: { kind: toKind(code), code, reason }, nextPageToken: "" };
    }
  };
}

const statuses: Readonly<Record<Status, OrderStatus>> = {
  pending: OrderStatus.PENDING,
  confirmed: OrderStatus.CONFIRMED,
  shipped: OrderStatus.SHIPPED,
  delivered: OrderStatus.DELIVERED,
  cancelled: OrderStatus.CANCELLED,
};

const statusNames = new Map(Object.entries(statuses).map(([name, status]) => [status, name as Status]));

function showUser({ id, email, name, etag }: User): Part {
  return { users: [{ id, email, name, version: toVersion(etag) }] };
}

function showProduct({ id, name, onHand, etag }: Product): Part {
  return { products: [{ id, name, onHand: Number(onHand), version: toVersion(etag) }] };
}

function showOrders(orders: readonly Order[], withItems: boolean): Part {
  return { orders: orders.map((order) => toSeen(order, withItems)) };
}

function toSeen(order: Order, withItems: boolean): SeenOrder {
  const { seconds, nanos } = order.createTime!;
  return {
    id: order.id,
    userId: order.userId,
    status: statusNames.get(order.status)!,
    version: toVersion(order.etag),
    total: toE4(order.total!),
    itemCount: order.itemCount,
    reserves: order.stockPolicy === StockPolicy.RESERVE,
    createTime: Number(seconds) * 1_000_000 + nanos / 1_000,
    ...(withItems && { lines: order.items.map(toLine) }),
  };
}

function toLine({ productId, quantity, unitPrice }: OrderItem): Line {
  return { productId, quantity, unitPrice: toE4(unitPrice!) };
}

/** An etag is opaque to callers; the checker may know that it is the version, a JSON string of a number. */
function toVersion(etag: string): number {
  return Number(JSON.parse(etag));
}

function toE4({ units, nanos }: Money): number {
  return Number(units) * 10_000 + nanos / 100_000;
}

function toMoney(e4: number) {
  return { currencyCode: "EUR", units: BigInt(Math.floor(e4 / 10_000)), nanos: (e4 % 10_000) * 100_000 };
}
