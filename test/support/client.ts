import { createClient, createRouterTransport, type Client, type ServiceImpl } from "@connectrpc/connect";
import { createAttempts, type OnAttempt, type Token } from "../../client/src/attempts.ts";
import { createReliableTransport } from "../../client/src/calls.ts";
import type { Clock } from "../../client/src/clock.ts";
import { InventoryService } from "../../client/src/gen/commerce/inventory/v1/inventory_service_pb.ts";
import { OrderService } from "../../client/src/gen/commerce/order/v1/order_service_pb.ts";
import { UserService } from "../../client/src/gen/commerce/user/v1/user_service_pb.ts";
import { retryDefaults, type RetryOptions } from "../../client/src/repeats.ts";

/** A clock that stands still, but for the waits, which it takes down. Chance is always a half. */
export type FakeClock = Clock & { readonly waitsMs: readonly number[] };

export function createFakeClock(): FakeClock {
  let nowMs = 0;
  const waitsMs: number[] = [];
  return {
    waitsMs,
    nowMs: () => nowMs,
    random: () => 0.5,
    async sleep(ms) {
      waitsMs.push(ms);
      nowMs += ms;
    },
  };
}

/** What a test's service does. */
export type Played = {
  readonly users?: Partial<ServiceImpl<typeof UserService>>;
  readonly orders?: Partial<ServiceImpl<typeof OrderService>>;
  readonly inventory?: Partial<ServiceImpl<typeof InventoryService>>;
};

export function play({ users = {}, orders = {}, inventory = {} }: Played) {
  return createRouterTransport(({ service }) => {
    service(UserService, users);
    service(OrderService, orders);
    service(InventoryService, inventory);
  });
}

/** The client's calls of a service that is played, on a clock of the test's. */
export function callPlayed(
  played: Played,
  options: {
    readonly clock?: Clock;
    readonly retry?: RetryOptions;
    readonly token?: Token;
    readonly onAttempt?: OnAttempt;
    readonly deadlineMs?: number;
  } = {},
): { readonly users: Client<typeof UserService>; readonly orders: Client<typeof OrderService> } {
  const attempts = createAttempts(play(played), options.token, options.onAttempt);
  const retry = { ...retryDefaults, ...options.retry };
  const clock = options.clock ?? createFakeClock();
  const transport = createReliableTransport(attempts, options.deadlineMs ?? 15_000, retry, clock);
  return { users: createClient(UserService, transport), orders: createClient(OrderService, transport) };
}

/** All that an iterable yields; rejects with what it throws. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
