// What callers of a server need, made through its own API: its users, products and orders.
import { randomUUID } from "node:crypto";
import process from "node:process";
import {
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { choose, encode, pathOf, price } from "./calls.ts";
import { type Client, ok, openClient, readMessages } from "./client.ts";
import { PeerError } from "./peers.ts";
import { InventoryService, OrderService, UserService } from "./service/contract.ts";
import type { Page } from "./slice.ts";

const unimplemented: number = Code.Unimplemented;

/** A server does not have a method. */
export class UnservedError extends Error {
  override readonly name = "UnservedError";
}

/** A server with what has been made there; each thing is made when it is first asked for. */
export type Shop = {
  readonly userIds: () => Promise<readonly string[]>;
  /** Of products whose stock never ends. */
  readonly productIds: (kind: "many" | "few") => Promise<readonly string[]>;
  /** Makes so many pending orders of one item, in turn for each user. */
  readonly createOrders: (count: number) => Promise<string[]>;
  /** The second half of the pages of the list, which has some orders by then. */
  readonly pages: (pageSize: number) => Promise<readonly Page[]>;
  /** Throws an UnservedError unless the server has the method, which it is called without arguments. */
  readonly expectServed: (method: DescMethodUnary) => Promise<void>;
  /** Makes the orders that lists show. */
  readonly fill: () => Promise<void>;
};

/** What a shop has; `scale` is 1 for the whole bench. A password's hash takes some 30 ms of a core. */
const [usersMax, productsMax, ordersMax] = [100, 2_000, 10_000];
const fewProducts = 10;
/** The most that a product of the contract may have. */
const plenty = 1_000_000_000_000n;
const pagesMax = 200;

/** Callers who make things; those who make users wait for hashes. */
const [makers, userMakers] = [32, 4];
/** Many at once may meet on the same products, and be told to try again. */
const attemptsMax = 5;

/** Opens a shop at a server. Nothing is made yet. */
export function createShop(name: string, address: string, scale: number): Shop {
  const make = <M extends DescMethodUnary>(
    what: string,
    method: M,
    requests: readonly MessageInitShape<M["input"]>[],
    callers = makers,
  ): Promise<MessageShape<M["output"]>[]> => makeAll({ name, address, what }, method, requests, callers);
  const userIds = remember(async () => {
    const requests = times(Math.ceil(usersMax * scale), (n) => toUser(n));
    const made = await make("users", UserService.method.createUser, requests, userMakers);
    return made.map(({ user }) => user!.id);
  });
  const createProducts = async (count: number): Promise<readonly string[]> => {
    const requests = times(count, (n) => ({ name: `Bench ${n}`, onHand: plenty }));
    const made = await make("products", InventoryService.method.createProduct, requests);
    return made.map(({ product }) => product!.id);
  };
  const many = remember(() => createProducts(Math.ceil(productsMax * scale)));
  const few = remember(() => createProducts(fewProducts));
  const createOrders = async (count: number): Promise<string[]> => {
    const [users, products] = [await userIds(), await many()];
    const requests = times(count, (n) => ({
      userId: users[n % users.length]!,
      items: [{ productId: choose(products), quantity: 1, unitPrice: price }],
    }));
    const made = await make("orders", OrderService.method.createOrder, requests);
    return made.map(({ order }) => order!.id);
  };
  return {
    userIds,
    productIds: (kind) => (kind === "many" ? many() : few()),
    createOrders,
    fill: remember(async () => void (await createOrders(Math.ceil(ordersMax * scale)))),
    pages: remember((pageSize: number) => walk(name, address, pageSize)),
    async expectServed(method) {
      using client = await openClient([address], 1);
      const { code } = await client.call(pathOf(method), encode(method, {}));
      if (code === unimplemented) throw new UnservedError(method.name);
    },
  };
}

function toUser(n: number) {
  return { email: `bench-${randomUUID()}@example.com`, name: `Bench ${n}`, password: randomUUID() };
}

type Place = { readonly name: string; readonly address: string; readonly what: string };

/** Makes calls, so many at once, and returns the answers in the order of the requests. */
async function makeAll<M extends DescMethodUnary>(
  { name, address, what }: Place,
  method: M,
  requests: readonly MessageInitShape<M["input"]>[],
  callers: number,
): Promise<MessageShape<M["output"]>[]> {
  using client = await openClient([address], 1);
  const answers: MessageShape<M["output"]>[] = [];
  let [next, made] = [0, 0];
  const say = (): void => {
    const [done, all] = [made, requests.length].map((count) => count.toLocaleString("en-US"));
    const line = `  ${name}: ${done} of ${all} ${what}`;
    if (process.stdout.isTTY) process.stdout.write(`\r${line}`);
    else if (made === requests.length) console.log(line);
  };
  await Promise.all(
    times(callers, async () => {
      for (let n = next++; n < requests.length; n = next++) {
        answers[n] = await ask(name, client, method, requests[n]!);
        made += 1;
        if (made % 100 === 0 || made === requests.length) say();
      }
    }),
  );
  if (process.stdout.isTTY) process.stdout.write("\n");
  return answers;
}

/** Makes a call, again if it fails. Throws an UnservedError, or a PeerError that says what was answered. */
async function ask<M extends DescMethodUnary>(
  name: string,
  client: Client,
  method: M,
  request: MessageInitShape<M["input"]>,
): Promise<MessageShape<M["output"]>> {
  const frame = encode(method, request);
  for (let attempts = 1; ; attempts++) {
    const answer = await client.call(pathOf(method), frame).catch((error: Error) => {
      throw new PeerError(`${name} does not answer ${method.name} as gRPC does: ${error.message}`);
    });
    if (answer.code === ok) {
      const [bytes] = readMessages(answer);
      return fromBinary<M["output"]>(method.output, bytes!);
    }
    if (answer.code === unimplemented) throw new UnservedError(method.name);
    if (attempts === attemptsMax)
      throw new PeerError(`${name} answers ${method.name} with ${Code[answer.code]}: ${answer.message}`);
  }
}

async function walk(name: string, address: string, pageSize: number): Promise<readonly Page[]> {
  using client = await openClient([address], 1);
  const pages: Page[] = [];
  for (let token = ""; pages.length < pagesMax;) {
    const request = { pageSize, pageToken: token };
    const answer = await ask(name, client, OrderService.method.listOrders, request);
    if (answer.orders.length !== pageSize) break;
    pages.push({ token, createTime: "", id: "" });
    token = answer.nextPageToken;
    if (token === "") break;
  }
  if (pages.length === 0) throw new PeerError(`${name} has no page of ${pageSize} orders`);
  return pages.slice(Math.floor(pages.length / 2));
}

/** Calls a function once, however often it is asked. */
function remember<A extends unknown[], T>(call: (...args: A) => Promise<T>): (...args: A) => Promise<T> {
  let called: Promise<T> | undefined;
  return (...args) => (called ??= call(...args));
}

function times<T>(count: number, make: (n: number) => T): T[] {
  return Array.from({ length: count }, (_, n) => make(n));
}
