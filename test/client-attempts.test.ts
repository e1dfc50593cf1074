import { Code } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { ada, away, callPlayed, createFakeClock, failing, reset } from "./support/client.ts";

test("waits are those that the service asks for, and at random up to a backoff that doubles", async () => {
  const clock = createFakeClock();
  const service = failing(reset, reset, away, reset, reset, reset);

  await callPlayed(service, { clock }).users.createUser(ada);

  // Half of 100, 200, 400, 800, 1600 and 2000; DATABASE_UNAVAILABLE asks for a second.
  expect(clock.waitsMs).toEqual([50, 100, 1_200, 400, 800, 1_000]);
});

test("a call ends with its last error when its attempts are used up", async () => {
  const service = failing(reset, reset, reset);

  const failed = callPlayed(service, { retry: { attemptsMax: 3 } }).users.createUser(ada);

  await expect(failed).rejects.toMatchObject({ code: Code.Aborted, attempts: 3, inDoubt: true });
});

test("a call does not wait beyond its deadline", async () => {
  const clock = createFakeClock();
  const service = failing(away, away, away);

  const failed = callPlayed(service, { clock }).users.createUser(ada, { timeoutMs: 2_500 });

  await expect(failed).rejects.toMatchObject({ reason: "DATABASE_UNAVAILABLE", attempts: 3 });
  expect(clock.waitsMs).toEqual([1_050, 1_100]);
});

test("an attempt has all of the time that is left", async () => {
  const service = failing(reset, away);

  await callPlayed(service).users.createUser(ada, { timeoutMs: 8_000 });

  expect(service.seen.map(({ timeoutMs }) => timeoutMs)).toEqual([8_000, 7_950, 6_850]);
});

test.each([
  [undefined, 15_000],
  [0.5, 1],
  [0, undefined],
])("with a time-out of %s the attempt has %s ms", async (timeoutMs, expected) => {
  const service = failing();

  await callPlayed(service).users.createUser(ada, timeoutMs === undefined ? {} : { timeoutMs });

  expect(service.seen.map((call) => call.timeoutMs)).toEqual([expected]);
});

test("a caller that leaves during a wait is told so, and whether its call is in doubt", async () => {
  const leaving = new AbortController();
  const clock = { ...createFakeClock(), sleep: async () => leaving.abort() };
  const service = failing(reset);

  const failed = callPlayed(service, { clock }).users.createUser(ada, { signal: leaving.signal });

  await expect(failed).rejects.toMatchObject({ code: Code.Canceled, attempts: 1, inDoubt: true });
});

test("a call that its caller has given up before it began is not sent, and not in doubt", async () => {
  const service = failing();

  const failed = callPlayed(service).users.createUser(ada, { signal: AbortSignal.abort() });

  await expect(failed).rejects.toMatchObject({ code: Code.Canceled, attempts: 0, inDoubt: false });
  expect(service.seen).toEqual([]);
});

test("a call that its caller has given up is not repeated", async () => {
  const leaving = new AbortController();
  const createUser = async () => {
    leaving.abort();
    throw reset;
  };

  const failed = callPlayed({ users: { createUser } }).users.createUser(ada, { signal: leaving.signal });

  await expect(failed).rejects.toMatchObject({ code: Code.Canceled, attempts: 1, inDoubt: true });
});

test("the hook sees each attempt begin and end, and its headers are sent", async () => {
  const service = failing(away);
  const log: unknown[] = [];

  await callPlayed(service, {
    onAttempt({ method, number, requestId, headers }) {
      log.push([method.name, number, requestId]);
      headers.set("traceparent", `attempt-${number}`);
      return ({ code, reason, durationMs }) => log.push([code, reason, durationMs >= 0]);
    },
  }).users.createUser(ada);

  const { requestId } = service.seen[0]!.request;
  expect(log).toEqual([
    ["CreateUser", 1, requestId],
    [Code.Unavailable, "DATABASE_UNAVAILABLE", true],
    ["CreateUser", 2, requestId],
    [undefined, undefined, true],
  ]);
  expect(service.seen.map(({ headers }) => headers.get("traceparent"))).toEqual(["attempt-1", "attempt-2"]);
});

test("a token is got for each attempt, and the caller's own header goes before it", async () => {
  const service = failing(away);
  const tokens = ["one", "two", "three"].values();
  const { users } = callPlayed(service, { token: async () => tokens.next().value! });

  await users.createUser(ada);
  await users.createUser(ada, { headers: { authorization: "Bearer mine" } });

  const sent = service.seen.map(({ headers }) => headers.get("authorization"));
  expect(sent).toEqual(["Bearer one", "Bearer two", "Bearer mine"]);
});

test.each([
  ["whose time is over", 20, Code.DeadlineExceeded],
  ["that is given up", 60_000, Code.Canceled],
])("a call %s while it waits for a token has sent nothing", async (_, timeoutMs, code) => {
  const service = failing();
  const { users } = callPlayed(service, { token: () => new Promise(() => {}) });
  const caller = new AbortController();

  const failed = users.createUser(ada, { timeoutMs, signal: caller.signal });
  if (code === Code.Canceled) setTimeout(() => caller.abort(), 20);

  await expect(failed).rejects.toMatchObject({ code, inDoubt: false });
  expect(service.seen).toEqual([]);
});

test("what the caller's own functions throw is the caller's, and is not repeated", async () => {
  const broken = new Error("the issuer is away");
  const service = failing();
  const token = () => Promise.reject(broken);

  await expect(callPlayed(service, { token }).users.createUser(ada)).rejects.toBe(broken);
  expect(service.seen).toEqual([]);
});

test("a stream of the transport is attempted once, and its errors have their reasons", async () => {
  const importOrders = async function* () {
    yield { chunk: { lastIndex: 0n } };
    throw away;
  };
  const { orders } = callPlayed({ orders: { importOrders } });
  const read: unknown[] = [];

  const failed = (async () => {
    for await (const { chunk } of orders.importOrders({})) read.push(chunk?.lastIndex);
  })();

  await expect(failed).rejects.toMatchObject({ reason: "DATABASE_UNAVAILABLE", attempts: 1 });
  expect(read).toEqual([0n]);
});
