import { createClient, type CallOptions } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { InventoryService } from "../../src/gen/commerce/inventory/v1/inventory_service_pb.ts";
import { OrderService, OrderView } from "../../src/gen/commerce/order/v1/order_service_pb.ts";
import { UserService } from "../../src/gen/commerce/user/v1/user_service_pb.ts";
import { toFailure } from "../support/errors.ts";
import { isImport, toKind, type Acknowledge, type Import, type Outcome, type Request } from "./history.ts";
import { runImport } from "./import-caller.ts";
import {
  showOrders,
  showProduct,
  showUser,
  statuses,
  statusNames,
  toItems,
  toPolicy,
  type Part,
} from "./messages.ts";

/** Makes one attempt of a call; `pageToken` is for lists. Never throws. */
export type Attempt = (
  request: Request,
  options: CallOptions,
  acknowledge: Acknowledge,
  pageToken?: string,
) => Promise<Answer>;

/** How an attempt ended and, for a list, the token of the next page. */
export type Answer = { readonly outcome: Outcome; readonly nextPageToken: string };

/** Pages are small, so that a walk through few orders has several. */
const pageSize = 20;
/** The history of an order is read at once. */
const eventsMax = 1_000;

/** Calls a service over gRPC, on a connection that may be given. */
export function createAttempt(grpcUrl: string, sessionManager = new Http2SessionManager(grpcUrl)): Attempt {
  const transport = createGrpcTransport({ baseUrl: grpcUrl, sessionManager });
  const users = createClient(UserService, transport);
  const orders = createClient(OrderService, transport);
  const inventory = createClient(InventoryService, transport);

  async function call(
    request: Exclude<Request, Import>,
    options: CallOptions,
    pageToken: string,
  ): Promise<Part> {
    switch (request.method) {
      case "CreateUser":
        return showUser((await users.createUser({ ...request, password: "correct horse" }, options)).user!);
      case "UpdateUser": {
        const { id, name, etag, requestId } = request;
        return showUser((await users.updateUser({ user: { id, name, etag }, requestId }, options)).user!);
      }
      case "DeleteUser":
        await users.deleteUser(request, options);
        return {};
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
        const { userId, lines, reserves, requestId } = request;
        const message = { userId, items: toItems(lines), stockPolicy: toPolicy(reserves), requestId };
        return showOrders([(await orders.createOrder(message, options)).order!], true);
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
        const { events } = await orders.listOrderEvents(
          { orderId: request.id, pageSize: eventsMax },
          options,
        );
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

  return async (request, options, acknowledge, pageToken = "") => {
    try {
      const { nextPageToken = "", ...part }: Part = isImport(request)
        ? await runImport(orders, request, options, acknowledge)
        : await call(request, options, pageToken);
      const nothing = { users: [], products: [], orders: [], events: [], more: false };
      return { outcome: { kind: "ok", ...nothing, ...part }, nextPageToken };
    } catch (error) {
      const { code, reason = "" } = toFailure(error);
      return { outcome: { kind: toKind(code), code, reason }, nextPageToken: "" };
    }
  };
}
