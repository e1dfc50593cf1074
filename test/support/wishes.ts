import { randomUUID } from "node:crypto";
import { createClient, type CallOptions } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { InventoryService, type Product } from "../../src/gen/commerce/inventory/v1/inventory_service_pb.ts";
import { OrderService, OrderStatus } from "../../src/gen/commerce/order/v1/order_service_pb.ts";
import { UserService } from "../../src/gen/commerce/user/v1/user_service_pb.ts";
import { toFailure } from "./errors.ts";
import { readAll, summarize } from "./imports.ts";
import { holdOrder, holdProduct } from "./locks.ts";
import { line, type Shop } from "./shop.ts";

/** One of several services on one database. */
export type Replica = Pick<Shop, "users" | "orders" | "inventory">;

/** Clients of a service. */
export function callReplica(port: number): Replica {
  const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${port}` });
  return {
    users: createClient(UserService, transport),
    orders: createClient(OrderService, transport),
    inventory: createClient(InventoryService, transport),
  };
}

/** A call that is refused for now, and is the same call at whichever replica it is asked. */
export type Wish = {
  /** Asks a replica, which answers "OK", the reason of a refusal, or the code of what says nothing. */
  readonly ask: (replica: Replica, options?: CallOptions) => Promise<string>;
  /** Changes what it is refused for. */
  readonly permit: () => Promise<unknown>;
  readonly hasHappened: () => Promise<boolean>;
};

/** A wish that waits in the database, in one statement with a call for a row that somebody else holds. */
export type HeldUp = Wish & {
  /** Asks for both. */
  readonly askBeside: (replica: Replica, options?: CallOptions) => Promise<string>;
  /** Holds the row until disposal. */
  readonly hold: () => Promise<AsyncDisposable>;
};

export type Kind<W extends Wish = Wish> = {
  /** The statement that does it. */
  readonly statement: string;
  /** Why it is refused. */
  readonly reason: string;
  /** Makes what the wish is about, by a replica that can reach the database. "" is no request_id. */
  readonly make: (replica: Replica, shop: Shop, requestId?: string) => Promise<W>;
};

/** Each kind of call that can be held up by another one's row. */
export const heldUp = {
  CreateOrder: { statement: "orders.create", reason: "INSUFFICIENT_STOCK", make: makeOrder },
  AdjustStock: { statement: "products.adjust_stock", reason: "INSUFFICIENT_STOCK", make: makeAdjustment },
  UpdateOrderStatus: {
    statement: "orders.update_statuses",
    reason: "FORBIDDEN_STATUS_CHANGE",
    make: makeStep,
  },
  "a row of ImportOrders": { statement: "orders.create", reason: "INSUFFICIENT_STOCK", make: makeRow },
} as const satisfies Record<string, Kind<HeldUp>>;

/** Each kind of call. */
export const wishes: Readonly<Record<string, Kind>> = {
  ...heldUp,
  CreateUser: { statement: "users.create", reason: "EMAIL_TAKEN", make: makeUser },
  UpdateUser: { statement: "users.update", reason: "EMAIL_TAKEN", make: makeRenaming },
};

async function answerOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => "OK",
    (error: unknown) => {
      const { code, reason } = toFailure(error);
      return ["Canceled", "DeadlineExceeded"].includes(code) ? code : (reason ?? code);
    },
  );
}

/** A product of which there is nothing, and one with an id before it, whose row is locked first. */
async function givenProducts({ inventory }: Replica): Promise<{ scarce: Product; before: Product }> {
  const create = async (): Promise<Product> => (await inventory.createProduct({ name: "Lamp" })).product!;
  const products = [await create(), await create()];
  const [before, scarce] = products.toSorted((a, b) => (a.id < b.id ? -1 : 1)) as [Product, Product];
  await inventory.adjustStock({ productId: before.id, delta: 100n });
  return { scarce, before };
}

function toStock({ inventory }: Replica, { id }: Product): Pick<Wish, "permit" | "hasHappened"> {
  return {
    permit: () => inventory.adjustStock({ productId: id, delta: 1n, requestId: randomUUID() }),
    hasHappened: async () => (await inventory.getProduct({ id })).product!.onHand === 0n,
  };
}

async function makeOrder(replica: Replica, shop: Shop, requestId: string = randomUUID()): Promise<HeldUp> {
  const [{ scarce, before }, { id: userId }] = [await givenProducts(replica), await userOf(replica)];
  const order = { userId, items: [line(scarce)], requestId };
  const ask: Wish["ask"] = ({ orders }, options) => answerOf(orders.createOrder(order, options));
  return {
    ...toStock(replica, scarce),
    ask,
    askBeside(other, options) {
      beside(other.orders.createOrder({ userId, items: [line(before)] }));
      return ask(other, options);
    },
    hold: () => holdProduct(shop, before),
  };
}

async function makeAdjustment(
  replica: Replica,
  shop: Shop,
  requestId: string = randomUUID(),
): Promise<HeldUp> {
  const { scarce, before } = await givenProducts(replica);
  const taking = { productId: scarce.id, delta: -1n, requestId };
  const ask: Wish["ask"] = ({ inventory }, options) => answerOf(inventory.adjustStock(taking, options));
  return {
    ...toStock(replica, scarce),
    ask,
    askBeside(other, options) {
      beside(other.inventory.adjustStock({ productId: before.id, delta: 1n }));
      return ask(other, options);
    },
    hold: () => holdProduct(shop, before),
  };
}

/** Ships an order that is not confirmed yet. */
async function makeStep(replica: Replica, shop: Shop, requestId: string = randomUUID()): Promise<HeldUp> {
  const { orders } = replica;
  const { id: userId } = await userOf(replica);
  const { before: lamp } = await givenProducts(replica);
  const place = async (): Promise<string> =>
    (await orders.createOrder({ userId, items: [line(lamp)] })).order!.id;
  const [before, id] = [await place(), await place()].toSorted() as [string, string];
  const step = { id, status: OrderStatus.SHIPPED, requestId };
  const ask: Wish["ask"] = (other, options) => answerOf(other.orders.updateOrderStatus(step, options));
  return {
    ask,
    permit: () => orders.updateOrderStatus({ id, status: OrderStatus.CONFIRMED }),
    hasHappened: async () => (await orders.getOrder({ id })).order!.status === OrderStatus.SHIPPED,
    askBeside(other, options) {
      beside(other.orders.updateOrderStatus({ id: before, status: OrderStatus.CONFIRMED }));
      return ask(other, options);
    },
    hold: () => holdOrder(shop, before),
  };
}

/** The second row of an import, which is resumed behind the first one. */
async function makeRow(replica: Replica, shop: Shop, requestId: string = randomUUID()): Promise<HeldUp> {
  const [{ scarce, before }, { id: userId }] = [await givenProducts(replica), await userOf(replica)];
  const rows = [before, scarce].map((product) => ({ userId, items: [line(product)] }));
  const importFrom = async (firstIndex: number, { orders }: Replica, options?: CallOptions) => {
    const request = { requestId, firstIndex: BigInt(firstIndex), orders: rows.slice(firstIndex) };
    const { read, error } = await readAll(orders.importOrders(request, options));
    if (error !== undefined) return answerOf(Promise.reject(error));
    return summarize(read.map(({ chunk }) => chunk)).refused["1"] ?? "OK";
  };
  return {
    ...toStock(replica, scarce),
    ask: (other, options) => importFrom(1, other, options),
    askBeside: (other, options) => importFrom(0, other, options),
    hold: () => holdProduct(shop, before),
  };
}

/** Somebody who has an email, and gives it up. */
async function givenRival({ users }: Replica) {
  const email = `${randomUUID()}@example.com`;
  const rival = (await users.createUser({ email, name: "Eve", password: "correct horse" })).user!;
  const user = { id: rival.id, email: `${randomUUID()}@example.com` };
  const owner = async (): Promise<string | undefined> =>
    users.getUserByEmail({ email }).then(
      (answer) => answer.user!.id,
      () => undefined,
    );
  return { email, owner, permit: () => users.updateUser({ user, updateMask: { paths: ["email"] } }) };
}

async function makeUser(replica: Replica): Promise<Wish> {
  const { email, owner, permit } = await givenRival(replica);
  const request = { email, name: "Ada", password: "correct horse", requestId: randomUUID() };
  return {
    ask: ({ users }, options) => answerOf(users.createUser(request, options)),
    permit,
    hasHappened: async () => (await owner()) !== undefined,
  };
}

async function makeRenaming(replica: Replica): Promise<Wish> {
  const [{ email, owner, permit }, { id }] = [await givenRival(replica), await userOf(replica)];
  const request = { user: { id, email }, updateMask: { paths: ["email"] }, requestId: randomUUID() };
  return {
    ask: ({ users }, options) => answerOf(users.updateUser(request, options)),
    permit,
    hasHappened: async () => (await owner()) === id,
  };
}

async function userOf({ users }: Replica): Promise<{ readonly id: string }> {
  const email = `${randomUUID()}@example.com`;
  return (await users.createUser({ email, name: "Ada", password: "correct horse" })).user!;
}

/** What becomes of the call beside does not matter. */
function beside(call: Promise<unknown>): void {
  call.catch(() => {});
}
