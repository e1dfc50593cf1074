import { randomUUID } from "node:crypto";
import type { Attempt } from "./caller.ts";
import { createCalls, type Answer, type Load } from "./calls.ts";
import {
  isImport,
  type Import,
  type Line,
  type Mutation,
  type Outcome,
  type Recorder,
  type Request,
  type Status,
} from "./history.ts";
import { makeImport, reuseImport } from "./import-traffic.ts";
import { createRaces, type Races } from "./races.ts";
import type { Random } from "./random.ts";

/** Generates traffic. All of its clients know the same users, products and orders. */
export type Traffic = {
  /** Creates what the others need; resolves when it is there. */
  open(): Promise<void>;
  /** Calls at random until each client has made its calls, or it is over. */
  run(isOver?: () => boolean): Promise<void>;
  /** Repeats acknowledged calls and reads everything, when nothing breaks any more. */
  close(): Promise<void>;
};

/** What a mutation is about, without its request_id. */
export type Content<M> = M extends Mutation ? Omit<M, "requestId"> : never;

/** A product of which there is little is fought for; one of the others is not. */
const stocks = [6, 12, 12, 500, 500];
/** Of these an order rarely gets what it asks for, until somebody brings more. */
const scarceStocks = [0, 0, 0, 0, 1, 1, 2, 500];
/** The calls that bring and take scarce products, and those that order one of them and nothing else. */
const [restocking, wanting] = [0.2, 0.5];
/** Who is refused for lack of stock often brings what lacked: what was refused would be possible then. */
const relenting = 0.7;
/** Creating a user costs 30 ms of a core for the password, so that there are few. */
const usersAtFirst = 3;
/** Few, so that callers meet at them. */
const emails = [
  "ada@example.com",
  "bob@example.com",
  " Ada@Example.com ",
  "BOB@EXAMPLE.COM",
  "eve@example.com",
];
/** Prepares traffic. */
export function createTraffic(
  attempts: readonly Attempt[],
  recorder: Recorder,
  random: Random,
  load: Load,
): Traffic {
  const users: string[] = [];
  const products: string[] = [];
  const orders = new Map<string, { version: number; status: Status }>();
  const names = new Map<string, string>();
  const doomed = new Set<string>();
  let unique = 0;
  let walks = 0;

  /** What an answer showed is what the next calls are about. */
  function learn(outcome: Outcome): void {
    if (outcome.kind !== "ok") return;
    for (const { id, version, status, userId } of outcome.orders)
      if (!doomed.has(userId) && version >= (orders.get(id)?.version ?? 0))
        orders.set(id, { version, status });
  }

  const { acknowledged, refused, call } = createCalls(attempts, recorder, random, load, learn);

  const mutate = (client: number, chance: Random, content: Content<Mutation>): Promise<Answer> =>
    call(client, chance, { ...content, requestId: randomUUID() });

  async function walk(client: number, chance: Random, userId: string): Promise<void> {
    const number = ++walks;
    for (let page = 0, token: string | undefined = ""; page === 0 || token; page++) {
      const request = { method: "ListOrders" as const, walk: number, page, userId };
      token = (await call(client, chance, request, token)).nextPageToken;
    }
  }

  function lines(chance: Random): Line[] {
    const count = chance.between(1, 3);
    return Array.from({ length: count }, () => ({
      productId: chance.chance(0.02) ? randomUUID() : chance.pick(products),
      quantity: chance.between(1, 3),
      // Each price is used once: it says which call made an order.
      unitPrice: ++unique * 101,
    }));
  }

  /** The latest orders are the ones that several callers change at once. */
  function change(chance: Random, status?: Status) {
    const [id, { version, status: was }] = chance.pick([...orders].slice(-8));
    const next = { pending: "confirmed", confirmed: "shipped", shipped: "delivered" } as const;
    const likely = was in next ? next[was as keyof typeof next] : "cancelled";
    const target = chance.chance(0.15)
      ? chance.pick(["confirmed", "shipped", "delivered", "cancelled"] as const)
      : likely;
    return { id, status: status ?? target, etag: chance.chance(0.4) ? `"${version}"` : "" };
  }

  function update(chance: Random): Content<Mutation> {
    const id = chance.pick(users);
    return {
      method: "UpdateUser",
      id,
      name: `${names.get(id)}/${++unique}`,
      etag: chance.chance(0.3) ? `"${chance.between(1, 5)}"` : "",
    };
  }

  const shop = { users, orders: () => [...orders.keys()], lines };

  /** Imports, and looks at the first page of orders: that is how the others learn of them. */
  async function importRows(client: number, chance: Random): Promise<void> {
    const { request } = await call(client, chance, makeImport(chance, shop));
    if (request.method === "ImportOrderItems") return;
    await call(client, chance, { method: "ListOrders", walk: ++walks, page: 0, userId: "" });
  }

  /** A used request id with another content; methods do not share them. */
  function reuse(chance: Random): Mutation | Import {
    const imports = acknowledged.filter(isImport).filter(({ method }) => method !== "ImportOrderItems");
    if (imports.length > 0 && chance.chance(0.5)) return reuseImport(chance, chance.pick(imports), shop);
    const adjustments = acknowledged.filter(({ method }) => method === "AdjustStock");
    const requestId = adjustments.length > 0 ? chance.pick(adjustments).requestId : randomUUID();
    return { requestId, method: "AdjustStock", productId: chance.pick(products), delta: 1_000 + ++unique };
  }

  /** Brings a scarce product, or takes of it. */
  function restock(chance: Random): Content<Mutation> {
    const productId = chance.pick(products.slice(0, -1));
    return { method: "AdjustStock", productId, delta: chance.pick([-3, -2, -1, 1, 2, 3]) };
  }

  /** Orders a scarce product. */
  async function want(client: number, chance: Random): Promise<void> {
    const [productId, quantity] = [chance.pick(products.slice(0, -1)), chance.between(1, 3)];
    const ordered = [{ productId, quantity, unitPrice: ++unique * 101 }];
    const order = { userId: chance.pick(users), lines: ordered, reserves: true };
    const { outcome } = await mutate(client, chance, { method: "CreateOrder", ...order });
    const isShort = outcome.kind === "failed" && outcome.reason === "INSUFFICIENT_STOCK";
    if (isShort && chance.chance(relenting))
      await mutate(client, chance, { method: "AdjustStock", productId, delta: quantity });
  }

  const racesOf = (client: number, chance: Random): Races =>
    createRaces({
      mutate: (content) => mutate(client, chance, content),
      importRows: (request) => call(client, chance, request),
      users,
      products: products.slice(-2),
      doomed,
      unique: () => ++unique,
    });

  async function act(client: number, chance: Random): Promise<unknown> {
    if (chance.chance(load.dooming ?? 0)) return racesOf(client, chance).doom(chance);
    if (chance.chance(load.growing ?? 0)) return racesOf(client, chance).grow(chance);
    const scarcity = load.scarce ? chance.next() : 1;
    if (scarcity < restocking) return mutate(client, chance, restock(chance));
    if (scarcity < restocking + wanting) return want(client, chance);
    if (refused.length > 0 && chance.chance(0.1)) return call(client, chance, chance.pick(refused));
    const dice = chance.between(1, 100);
    const make = (content: Content<Mutation>): Promise<Answer> => mutate(client, chance, content);
    const read = (request: Request): Promise<Answer> => call(client, chance, request);
    if (dice <= 6) return importRows(client, chance);
    if (dice <= 34 || orders.size === 0) {
      const userId = chance.chance(0.02) ? randomUUID() : chance.pick(users);
      return make({ method: "CreateOrder", userId, lines: lines(chance), reserves: chance.chance(0.8) });
    }
    if (dice <= 48) return make({ method: "UpdateOrderStatus", changes: [change(chance)] });
    if (dice <= 56) return make({ method: "UpdateOrderStatus", changes: [change(chance, "cancelled")] });
    if (dice <= 61) {
      const all = Array.from({ length: chance.between(2, 4) }, () => change(chance));
      const changes = [...new Map(all.map((each) => [each.id, each])).values()];
      return make({ method: "BatchUpdateOrderStatuses", changes });
    }
    if (dice <= 69) {
      const sign = chance.pick([-1, 1]);
      return make({
        method: "AdjustStock",
        productId: chance.pick(products),
        delta: sign * chance.between(1, 9),
      });
    }
    if (dice <= 71)
      return make({ method: "CreateUser", email: chance.pick(emails), name: `rival ${++unique}` });
    if (dice <= 73) return make({ method: "CreateProduct", name: `product ${++unique}`, onHand: unique });
    if (dice <= 78) return make(update(chance));
    if (dice <= 84) return call(client, chance, chance.pick(acknowledged));
    if (dice <= 85) return call(client, chance, reuse(chance));
    if (dice <= 91) return read({ method: "GetOrder", id: chance.pick([...orders.keys()]) });
    if (dice <= 93) return read({ method: "GetUser", id: chance.pick(users) });
    if (dice <= 95) return read({ method: "GetProduct", id: chance.pick(products) });
    if (dice <= 97) return read({ method: "ListOrderEvents", id: chance.pick([...orders.keys()]) });
    return walk(client, chance, chance.chance(0.5) ? "" : chance.pick(users));
  }

  /**
   * Makes something that must be there. Each try is a call of its own: one that gave up may have happened,
   * too.
   */
  async function insist(content: () => Content<Mutation>): Promise<string> {
    for (;;) {
      const { outcome } = await mutate(0, random, content());
      if (outcome.kind === "ok") return [...outcome.users, ...outcome.products][0]!.id;
    }
  }

  return {
    async open() {
      for (let n = 0; n < usersAtFirst; n++) {
        let name = "";
        const id = await insist(() => {
          name = `user ${++unique}`;
          return { method: "CreateUser", email: `${unique}@example.com`, name };
        });
        users.push(id);
        names.set(id, name);
      }
      for (const onHand of load.scarce ? scarceStocks : stocks)
        products.push(await insist(() => ({ method: "CreateProduct", name: `product ${++unique}`, onHand })));
    },
    async run(isOver = () => false) {
      const clients = Array.from({ length: load.clients }, () => random.fork());
      await Promise.all(
        clients.map(async (chance, client) => {
          for (let n = 0; n < load.callsPerClient && !isOver(); n++) await act(client, chance);
        }),
      );
    },
    async close() {
      const replays = Array.from({ length: 10 }, () => random.pick(acknowledged));
      for (const request of replays) await call(0, random, request);
      for (const id of products) await call(0, random, { method: "GetProduct", id });
      await walk(0, random, "");
    },
  };
}
