import { line, price, type Shop } from "./shop.ts";

type Method = readonly [call: (request: never) => Promise<unknown>, request: object];

/** A request of each method with all of its fields right, and calls in which one of them is not. */
export type Requests = {
  /** In an order in which each of them succeeds. */
  readonly methods: Readonly<Record<string, Method>>;
  /** Calls a method with its request, in which one field, named as in the contract, has another value. */
  callWith(method: string, field: string, value: unknown): Promise<unknown>;
};

/** Makes the requests, and what they are about, in a shop. */
export async function createRequests(shop: Shop): Promise<Requests> {
  const { users, orders, inventory } = shop;
  const [ada, eve, lamp] = [await shop.user(), await shop.user(), await shop.product()];
  const place = async (): Promise<string> => (await shop.order([lamp], 1, ada.id)).id;
  const [id, otherId, thirdId] = [await place(), await place(), await place()];

  const requestId = "";
  const page = { pageSize: 1, pageToken: "" };
  const password = "correct horse";
  const user = { id: ada.id, email: ada.email, name: "Ada", etag: ada.etag };
  const items = [line(lamp, 1, { ...price }), line(lamp, 1, { ...price })];
  const changes = [otherId, thirdId].map((each) => ({ id: each, status: 2, etag: '"1"' }));
  const methods: Requests["methods"] = {
    CreateUser: [users.createUser, { email: "grace@example.com", name: "Grace", password, requestId }],
    GetUser: [users.getUser, { id: ada.id }],
    GetUserByEmail: [users.getUserByEmail, { email: ada.email }],
    BatchGetUsers: [users.batchGetUsers, { ids: [ada.id, eve.id] }],
    AuthenticateUser: [users.authenticateUser, { email: ada.email, password }],
    UpdateUser: [users.updateUser, { user, updateMask: { paths: ["email", "name"] }, requestId }],
    DeleteUser: [users.deleteUser, { id: eve.id, etag: eve.etag, requestId }],
    ListUsers: [users.listUsers, page],
    CreateOrder: [orders.createOrder, { userId: ada.id, items, stockPolicy: 1, requestId }],
    GetOrder: [orders.getOrder, { id, view: 2 }],
    ListOrders: [orders.listOrders, { ...page, userId: ada.id, status: 1, view: 1 }],
    UpdateOrderStatus: [orders.updateOrderStatus, { id, status: 2, etag: '"1"', requestId }],
    BatchUpdateOrderStatuses: [orders.batchUpdateOrderStatuses, { changes, requestId }],
    ListOrderEvents: [orders.listOrderEvents, { ...page, orderId: id }],
    CreateProduct: [inventory.createProduct, { name: "Lamp", onHand: 1n, requestId }],
    GetProduct: [inventory.getProduct, { id: lamp.id }],
    ListProducts: [inventory.listProducts, page],
    AdjustStock: [inventory.adjustStock, { productId: lamp.id, delta: 1n, requestId }],
  };

  return {
    methods,
    callWith(method, field, value) {
      const [call, request] = methods[method]!;
      const copy = structuredClone(request) as Fields;
      const path = field.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()).match(/\w+/g)!;
      const parent = path.slice(0, -1).reduce((message, key) => message[key] as Fields, copy);
      parent[path.at(-1)!] = value;
      return call(copy as never);
    },
  };
}

type Fields = Record<string, unknown>;
