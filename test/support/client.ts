import {
  type Client,
  Code,
  ConnectError,
  createClient,
  createRouterTransport,
  type HandlerContext,
  type ServiceImpl,
} from "@connectrpc/connect";
import { createAttempts, type OnAttempt, type Token } from "../../client/src/attempts.ts";
import { createReliableTransport } from "../../client/src/calls.ts";
import type { Clock } from "../../client/src/clock.ts";
import { InventoryService } from "../../client/src/gen/commerce/inventory/v1/inventory_service_pb.ts";
import { OrderService } from "../../client/src/gen/commerce/order/v1/order_service_pb.ts";
import {
  type CreateUserRequest,
  UserService,
} from "../../client/src/gen/commerce/user/v1/user_service_pb.ts";
import { retryDefaults, type RetryOptions } from "../../client/src/repeats.ts";
import { databaseAway } from "../../src/errors.ts";
import { toConnectError } from "../../src/rpc/status.ts";

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

export const ada = { email: "ada@example.com", name: "Ada", password: "correct horse" };

/** UNAVAILABLE, with RetryInfo. */
export const away = toConnectError(databaseAway(undefined));
/** What a transport says of a connection that breaks. */
export const reset = new ConnectError("read ECONNRESET", Code.Aborted);

/** What the header says of the time for an attempt. */
const toMs = (header: string | null): number | undefined => (header === null ? undefined : Number(header));

/** A service whose CreateUser fails with each of the errors, one a call, and then succeeds. */
export function failing(...errors: readonly ConnectError[]) {
  const seen: { request: CreateUserRequest; timeoutMs: number | undefined; headers: Headers }[] = [];
  const left = [...errors];
  const createUser = (request: CreateUserRequest, { requestHeader: headers }: HandlerContext) => {
    seen.push({ request, timeoutMs: toMs(headers.get("connect-timeout-ms")), headers });
    const error = left.shift();
    if (error) throw error;
    return { user: { id: "1" } };
  };
  return { seen, users: { createUser } };
}

/** Drafts of orders of numbered users. */
export const drafts = (count: number) => Array.from({ length: count }, (_, n) => ({ userId: String(n) }));

/** The answer for a chunk of an import. */
export const chunk = (first: bigint, last: bigint) => ({
  chunk: { firstIndex: first, lastIndex: last, insertedCount: Number(last - first) + 1 },
});
