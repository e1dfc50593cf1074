import { randomUUID } from "node:crypto";
import { type CommerceClient, OrderStatus } from "../../client/src/index.ts";

/** What the calls are about: a user, a product and an order. */
export type Stock = {
  readonly userId: string;
  readonly email: string;
  readonly password: string;
  readonly productId: string;
  readonly orderId: string;
};

/** Prepares a call, by other calls if need be, and returns what makes it. */
export type Call = (shop: CommerceClient, stock: Stock) => Promise<() => Promise<unknown>>;

/** Creates what the calls are about. */
export async function openStock(shop: CommerceClient): Promise<Stock> {
  const [email, password] = [`${randomUUID()}@example.com`, randomUUID()];
  const { user } = await shop.users.createUser({ email, name: "Walker", password });
  const { product } = await shop.inventory.createProduct({ name: "Boots", onHand: 1_000_000n });
  const parts = { userId: user!.id, email, password, productId: product!.id };
  return { ...parts, orderId: await placeOrder(shop, parts) };
}

/** Each method of the contract. */
export const calls: Readonly<Record<string, Call>> = {
  CreateUser: async ({ users }) => {
    const request = { email: `${randomUUID()}@example.com`, name: "Walker", password: randomUUID() };
    return () => users.createUser({ ...request, requestId: randomUUID() });
  },
  GetUser:
    async ({ users }, { userId: id }) =>
    () =>
      users.getUser({ id }),
  GetUserByEmail:
    async ({ users }, { email }) =>
    () =>
      users.getUserByEmail({ email }),
  BatchGetUsers:
    async ({ users }, { userId }) =>
    () =>
      users.batchGetUsers({ ids: [userId] }),
  UpdateUser: async ({ users }, { userId }) => {
    const user = { id: userId, name: `Walker ${randomUUID()}` };
    return () => users.updateUser({ user, updateMask: { paths: ["name"] }, requestId: randomUUID() });
  },
  DeleteUser: async ({ users }) => {
    const request = { email: `${randomUUID()}@example.com`, name: "Walker", password: randomUUID() };
    const { user } = await users.createUser(request);
    return () => users.deleteUser({ id: user!.id, requestId: randomUUID() });
  },
  ListUsers:
    async ({ users }) =>
    () =>
      users.listUsers({ pageSize: 10 }),
  AuthenticateUser:
    async ({ users }, { email, password }) =>
    () =>
      users.authenticateUser({ email, password }),
  CreateOrder:
    async ({ orders }, stock) =>
    () =>
      orders.createOrder({ ...toOrder(stock), requestId: randomUUID() }),
  GetOrder:
    async ({ orders }, { orderId: id }) =>
    () =>
      orders.getOrder({ id }),
  ListOrders:
    async ({ orders }, { userId }) =>
    () =>
      orders.listOrders({ userId, pageSize: 10 }),
  UpdateOrderStatus: async (shop, stock) => {
    const id = await placeOrder(shop, stock);
    return () =>
      shop.orders.updateOrderStatus({ id, status: OrderStatus.CONFIRMED, requestId: randomUUID() });
  },
  BatchUpdateOrderStatuses: async (shop, stock) => {
    const changes = [{ id: await placeOrder(shop, stock), status: OrderStatus.CONFIRMED }];
    return () => shop.orders.batchUpdateOrderStatuses({ changes, requestId: randomUUID() });
  },
  ImportOrders: async ({ orders }, stock) => {
    const request = { orders: [toOrder(stock)], requestId: randomUUID() };
    return () => readAll(orders.importOrders(request));
  },
  ImportOrderItems: async ({ orders }, stock) => {
    const [item] = toOrder(stock).items;
    const request = { items: [{ orderId: stock.orderId, item }], requestId: randomUUID() };
    return () => readAll(orders.importOrderItems(request));
  },
  IngestOrders: async ({ orders }, stock) => {
    const request = { orders: [toOrder(stock)], requestId: randomUUID() };
    return () => readAll(orders.ingestOrders(sendOne(request)));
  },
  ListOrderEvents:
    async ({ orders }, { orderId }) =>
    () =>
      orders.listOrderEvents({ orderId }),
  CreateProduct:
    async ({ inventory }) =>
    () =>
      inventory.createProduct({ name: "Boots", requestId: randomUUID() }),
  GetProduct:
    async ({ inventory }, { productId: id }) =>
    () =>
      inventory.getProduct({ id }),
  ListProducts:
    async ({ inventory }) =>
    () =>
      inventory.listProducts({ pageSize: 10 }),
  AdjustStock:
    async ({ inventory }, { productId }) =>
    () =>
      inventory.adjustStock({ productId, delta: 1n, requestId: randomUUID() }),
};

function toOrder({ userId, productId }: Pick<Stock, "userId" | "productId">) {
  const unitPrice = { currencyCode: "EUR", units: 2n, nanos: 500_000_000 };
  return { userId, items: [{ productId, quantity: 1, unitPrice }] };
}

async function placeOrder(
  { orders }: CommerceClient,
  stock: Pick<Stock, "userId" | "productId">,
): Promise<string> {
  const { order } = await orders.createOrder({ ...toOrder(stock), requestId: randomUUID() });
  return order!.id;
}

async function readAll(answers: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of answers);
}

async function* sendOne<T>(request: T): AsyncGenerator<T> {
  yield request;
}
