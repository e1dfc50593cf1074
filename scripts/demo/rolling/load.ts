import { setTimeout as sleep } from "node:timers/promises";
import type { CommerceClient } from "../../../client/src/grpc.ts";
import { OrderService } from "../../../client/src/gen/commerce/order/v1/order_service_pb.ts";
import { UserService } from "../../../client/src/gen/commerce/user/v1/user_service_pb.ts";
import { toMoney } from "../money.ts";
import type { Caller } from "./caller.ts";

/** What has come of calls that are made at fixed times. Disposal makes no more. */
export type Load = Disposable & {
  readonly durations: number[];
  readonly failures: string[];
  /** Orders that were acknowledged. */
  readonly placed: string[];
  /** Makes no more calls, and resolves when all have ended. */
  readonly stop: () => Promise<void>;
};

/** Who buys what. */
export type Wares = { readonly userId: string; readonly productId: string };

const turnMs = 10;

/**
 * Makes so many calls a second, whether or not earlier ones have been answered, by each of the callers in
 * turn: of three calls one places an order, one reads it and one reads a page.
 */
export function startLoad(callers: readonly Caller[], perSecond: number, wares: Wares): Load {
  const startMs = performance.now();
  const [durations, failures, placed]: [number[], string[], string[]] = [[], [], []];
  const running = new Set<Promise<void>>();
  const make = (n: number): void => {
    const caller = callers[n % callers.length]!;
    const kind = n % 3;
    const beginMs = performance.now();
    const call = makeCall(caller, kind, wares, placed).then(
      () => void durations.push(performance.now() - beginMs),
      (error: unknown) => void failures.push(String(error)),
    );
    running.add(call);
    void call.finally(() => running.delete(call));
  };
  let made = 0;
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - startMs) / 1000) * perSecond);
    for (let n = made; n < due; n++) make(n);
    made = due;
  }, turnMs);
  return {
    durations,
    failures,
    placed,
    async stop() {
      clearInterval(timer);
      await Promise.all(running);
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
}

async function makeCall(
  { call }: Caller,
  kind: number,
  { userId, productId }: Wares,
  placed: string[],
): Promise<void> {
  const [last] = placed.slice(-1);
  if (kind === 1 && last !== undefined) await call(OrderService.method.getOrder, { id: last });
  else if (kind === 2) await call(UserService.method.getUser, { id: userId });
  else {
    const { order } = await call(OrderService.method.createOrder, { userId, items: [toItem(productId)] });
    placed.push(order!.id);
  }
}

/** A piece for 9.99 euros. */
function toItem(productId: string) {
  return { productId, quantity: 1, unitPrice: toMoney(9_990_000_000n) };
}

/** A stream of orders that goes on until it is told to end, and after a cut. Disposal gives it up. */
export type Stream = Disposable & {
  /** Orders that the service has acknowledged. */
  readonly acknowledged: () => number;
  /** Times that it went on after a cut. */
  readonly resumed: () => number;
  /** Sends no more, and resolves with the number of orders that were sent, when all were acknowledged. */
  readonly stop: () => Promise<number>;
};

const ordersPerRequest = 20;
const pauseMs = 100;

export function startStream({ orders }: CommerceClient, { userId, productId }: Wares): Stream {
  const requestId = crypto.randomUUID();
  const draft = { userId, items: [toItem(productId)] };
  const stopping = new AbortController();
  const leaving = new AbortController();
  let [sent, acknowledged, attempts] = [0, 0, 0];
  const options = { signal: leaving.signal, onHeader: () => void (attempts += 1) };
  async function* requests() {
    while (!stopping.signal.aborted) {
      sent += ordersPerRequest;
      yield { requestId, orders: Array.from({ length: ordersPerRequest }, () => draft) };
      await sleep(pauseMs);
    }
  }
  const running = (async () => {
    for await (const { answer } of orders.ingestOrders(requests(), options))
      if (answer.case === "chunk") acknowledged += answer.value.insertedCount + answer.value.existingCount;
  })();
  // It is awaited when it is stopped.
  running.catch(() => {});
  return {
    acknowledged: () => acknowledged,
    resumed: () => Math.max(attempts - 1, 0),
    async stop() {
      stopping.abort();
      await running;
      return sent;
    },
    [Symbol.dispose]() {
      stopping.abort();
      leaving.abort();
    },
  };
}
