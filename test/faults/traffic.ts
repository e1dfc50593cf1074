import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Answer, Attempt } from "./caller.ts";
import type { Line, Mutation, Outcome, Recorder, Request, Status } from "./history.ts";
import type { Random } from "./random.ts";

/** How much traffic. */
export type Load = {
  readonly clients: number;
  /** Without their repetitions. */
  readonly callsPerClient: number;
  /** Of one call. */
  readonly attemptsMax: number;
  /** The share of callers that leave before the answer; chance decides if it is not given. */
  readonly leaving?: number;
};

/** Generates traffic. All of its clients know the same users, products and orders. */
export type Traffic = {
  /** Creates what the others need; resolves when it is there. */
  open(): Promise<void>;
  /** Calls at random until each client has made its calls, or it is over. */
  run(isOver?: () => boolean): Promise<void>;
  /** Repeats acknowledged calls and reads everything, when nothing breaks any more. */
  close(): Promise<void>;
};

type Content<M> = M extends Mutation ? Omit<M, "requestId"> : never;

/** A product of which there is little is fought for; one of the others is not. */
const stocks = [6, 12, 12, 500, 500];
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
/**
 * How long a caller waits. Without faults an answer takes some 5 ms; what hangs should not hold up a round.
 */
const timeoutMs = { min: 150, max: 600 };
const pauseMsMax = 15;

/** Prepares traffic. */
export function createTraffic(attempt: Attempt, recorder: Recorder, random: Random, load: Load): Traffic {
  const users: string[] = [];
  const products: string[] = [];
  const orders = new Map<string, { version: number; status: Status }>();
  const names = new Map<string, string>();
  const acknowledged: Mutation[] = [];
  // How many callers leave before the answer, and how many call twice at once.
  const leaving = load.leaving ?? random.pick([0.01, 0.05, 0.25]);
  const doubling = random.pick([0.01, 0.05, 0.2]);
  let unique = 0;
  let walks = 0;

  /** What an answer showed is what the next calls are about. */
  function learn(outcome: Outcome): void {
    if (outcome.kind !== "ok") return;
    for (const { id, version, status } of outcome.orders)
      if (version >= (orders.get(id)?.version ?? 0)) orders.set(id, { version, status });
  }

  async function once(client: number, chance: Random, request: Request, pageToken?: string): Promise<Answer> {
    const signal = chance.chance(leaving) ? AbortSignal.timeout(chance.between(1, 25)) : undefined;
    const options = { timeoutMs: chance.between(timeoutMs.min, timeoutMs.max), ...(signal && { signal }) };
    let answer: Answer | undefined;
    await recorder.record(
      client,
      request,
      async () => (answer = await attempt(request, options, pageToken)).outcome,
    );
    learn(answer!.outcome);
    return answer!;
  }

  /** Calls, and repeats the call while its outcome is unknown. */
  async function call(client: number, chance: Random, request: Request, pageToken?: string): Promise<Answer> {
    for (let attempts = 1; ; attempts++) {
      if ("requestId" in request && chance.chance(doubling))
        await Promise.all([0, 1].map(() => once(client, chance, request)));
      const answer = await once(client, chance, request, pageToken);
      if (answer.outcome.kind === "ok" && "requestId" in request) acknowledged.push(request);
      const givesUp = attempts >= load.attemptsMax || chance.chance(0.02);
      if (answer.outcome.kind !== "unknown" || givesUp) return answer;
      await delay(chance.between(0, pauseMsMax));
    }
  }

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

  /** A used request id with another content; methods do not share them. */
  function reuse(chance: Random): Mutation {
    const adjustments = acknowledged.filter(({ method }) => method === "AdjustStock");
    const requestId = adjustments.length > 0 ? chance.pick(adjustments).requestId : randomUUID();
    return { requestId, method: "AdjustStock", productId: chance.pick(products), delta: 1_000 + ++unique };
  }

  async function act(client: number, chance: Random): Promise<unknown> {
    const dice = chance.between(1, 100);
    const make = (content: Content<Mutation>): Promise<Answer> => mutate(client, chance, content);
    const read = (request: Request): Promise<Answer> => call(client, chance, request);
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
      for (const onHand of stocks)
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
