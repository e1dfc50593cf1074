import type { MessageInitShape } from "@bufbuild/protobuf";
import { type CallOptions, type Client, createClient, type Transport } from "@connectrpc/connect";
import { createAttempts, type OnAttempt, type Token } from "./attempts.ts";
import { createReliableTransport } from "./calls.ts";
import { systemClock } from "./clock.ts";
import {
  InventoryService,
  type ListProductsRequestSchema,
  type Product,
} from "./gen/commerce/inventory/v1/inventory_service_pb.ts";
import {
  type ListOrderEventsRequestSchema,
  type ListOrdersRequestSchema,
  type Order,
  type OrderEvent,
  OrderService,
} from "./gen/commerce/order/v1/order_service_pb.ts";
import {
  type ListUsersRequestSchema,
  type User,
  UserService,
} from "./gen/commerce/user/v1/user_service_pb.ts";
import { importRows } from "./import-rows.ts";
import { ingest } from "./ingest.ts";
import { readPages } from "./pages.ts";
import { retryDefaults, type RetryOptions } from "./repeats.ts";
import type { Importing } from "./resume.ts";

/** What a client may be given beside the way to the service. */
export type ClientOptions = {
  /** A JSON Web Token, or a function that gets one for each attempt. Without it calls have no token. */
  readonly token?: Token;
  /**
   * How long a call may take with all of its attempts, in milliseconds, if it has no `timeoutMs` of its own.
   * 15000 by default. It is no bound of imports, which last as long as they bring something.
   */
  readonly deadlineMs?: number;
  /** How calls are repeated; false repeats none. */
  readonly retry?: RetryOptions | false;
  /** Sees each attempt begin and end, and may add headers: for traces and metrics. */
  readonly onAttempt?: OnAttempt;
};

/** Calls of UserService. */
export type Users = Client<typeof UserService> & {
  /** All users from a page token on, newest first; `pageSize` is how many are read at once. */
  list(request?: MessageInitShape<typeof ListUsersRequestSchema>, options?: CallOptions): AsyncIterable<User>;
};

/**
 * Calls of OrderService. `importOrders`, `importOrderItems` and `ingestOrders` yield the answers of the
 * contract over as many attempts as it takes: after a cut they go on behind the last row that was answered.
 * A loop that is left ends the call. `timeoutMs` bounds all attempts together; without it an import may
 * take any time.
 *
 * `ingestOrders` keeps orders that have no answer yet, and reads its requests only as fast as the service
 * takes them. Its last answer is the summary of all attempts. It needs HTTP/2, which browsers do not offer
 * for it.
 */
export type Orders = Client<typeof OrderService> & {
  /** All orders that fit, newest first; `pageSize` is how many are read at once. */
  list(
    request?: MessageInitShape<typeof ListOrdersRequestSchema>,
    options?: CallOptions,
  ): AsyncIterable<Order>;
  /** The history of an order, oldest first. */
  events(
    request: MessageInitShape<typeof ListOrderEventsRequestSchema>,
    options?: CallOptions,
  ): AsyncIterable<OrderEvent>;
};

/** Calls of InventoryService. */
export type Inventory = Client<typeof InventoryService> & {
  /** All products from a page token on, newest first; `pageSize` is how many are read at once. */
  list(
    request?: MessageInitShape<typeof ListProductsRequestSchema>,
    options?: CallOptions,
  ): AsyncIterable<Product>;
};

/**
 * The service's clients: the methods of the contract, which take Connect's CallOptions. They reject with a
 * CommerceError.
 *
 * A mutation gets a request_id, unless its request has one, and keeps it in all attempts. An attempt that was
 * not answered is repeated, and so is one that the service asks to repeat, within the deadline.
 */
export type CommerceClient = {
  readonly users: Users;
  readonly orders: Orders;
  readonly inventory: Inventory;
};

/** Creates clients that call over a transport of Connect. */
export function createCommerceClient({
  transport,
  token,
  deadlineMs = 15_000,
  retry = {},
  onAttempt,
}: ClientOptions & { readonly transport: Transport }): CommerceClient {
  const attempts = createAttempts(transport, token, onAttempt);
  const retryOrNone = { ...retryDefaults, ...(retry === false ? { attemptsMax: 1 } : retry) };
  const reliable = createReliableTransport(attempts, deadlineMs, retryOrNone, systemClock);
  return {
    users: createUsers(reliable),
    orders: createOrders(reliable, { attempts, retry: retryOrNone, clock: systemClock }),
    inventory: createInventory(reliable),
  };
}

function createUsers(transport: Transport): Users {
  const users = createClient(UserService, transport);
  return {
    ...users,
    list: (request, options) =>
      readPages(request, options, async (page) => {
        const { users: items, nextPageToken } = await users.listUsers(...page);
        return { items, nextPageToken };
      }),
  };
}

function createOrders(transport: Transport, importing: Importing): Orders {
  const orders = createClient(OrderService, transport);
  const { importOrders, importOrderItems } = OrderService.method;
  return {
    ...orders,
    list: (request, options) =>
      readPages(request, options, async (page) => {
        const { orders: items, nextPageToken } = await orders.listOrders(...page);
        return { items, nextPageToken };
      }),
    events: (request, options) =>
      readPages(request, options, async (page) => {
        const { events: items, nextPageToken } = await orders.listOrderEvents(...page);
        return { items, nextPageToken };
      }),
    importOrders: (request, options) =>
      importRows(
        importing,
        importOrders,
        { ...request, rows: request.orders ?? [] },
        {
          toRequest: ({ rows, ...rest }) => ({
            stopOnError: request.stopOnError ?? false,
            ...rest,
            orders: [...rows],
          }),
          chunkOf: ({ chunk }) => chunk,
        },
        options,
      ),
    importOrderItems: (request, options) =>
      importRows(
        importing,
        importOrderItems,
        { ...request, rows: request.items ?? [] },
        {
          toRequest: ({ rows, ...rest }) => ({
            stopOnError: request.stopOnError ?? false,
            ...rest,
            items: [...rows],
          }),
          chunkOf: ({ chunk }) => chunk,
        },
        options,
      ),
    ingestOrders: (requests, options) => ingest(importing, requests, options),
  };
}

function createInventory(transport: Transport): Inventory {
  const inventory = createClient(InventoryService, transport);
  return {
    ...inventory,
    list: (request, options) =>
      readPages(request, options, async (page) => {
        const { products: items, nextPageToken } = await inventory.listProducts(...page);
        return { items, nextPageToken };
      }),
  };
}
