import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import { expect, test } from "vitest";
import type { CommerceError } from "../client/src/errors.ts";
import {
  type CreateUserRequest,
  CreateUserRequestSchema,
} from "../client/src/gen/commerce/user/v1/user_service_pb.ts";
import {
  contention,
  createError,
  databaseAway,
  emailTaken,
  invalid,
  late,
  outcomeUnknown,
  poolExhausted,
  repeatable,
  shuttingDown,
  staleEtag,
  tooLarge,
  userType,
} from "../src/errors.ts";
import { toConnectError } from "../src/rpc/status.ts";
import { callPlayed, createFakeClock } from "./support/client.ts";

const ada = { email: "ada@example.com", name: "Ada", password: "correct horse" };
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const away = toConnectError(databaseAway(undefined));
const reset = new ConnectError("read ECONNRESET", Code.Aborted);

/** What the header says of the time for an attempt. */
const toMs = (header: string | null): number | undefined => (header === null ? undefined : Number(header));

/** A service whose CreateUser fails with each of the errors, one a call, and then succeeds. */
function failing(...errors: readonly ConnectError[]) {
  const seen: { request: CreateUserRequest; timeoutMs: number | undefined; headers: Headers }[] = [];
  const left = [...errors];
  const createUser = (request: CreateUserRequest, context: HandlerContext) => {
    seen.push({
      request,
      timeoutMs: toMs(context.requestHeader.get("connect-timeout-ms")),
      headers: context.requestHeader,
    });
    const error = left.shift();
    if (error) throw error;
    return { user: { id: "1" } };
  };
  return { seen, users: { createUser } };
}

test("a mutation has one request_id in all of its attempts", async () => {
  const service = failing(away, reset);

  await callPlayed(service).users.createUser(ada);

  const [first, ...others] = service.seen.map(({ request }) => request.requestId);
  expect(first).toMatch(uuid);
  expect(others).toEqual([first, first]);
});

test("two calls have two request_ids, also of one request, which is left as it was", async () => {
  const service = failing();
  const { users } = callPlayed(service);
  const request = create(CreateUserRequestSchema, ada);

  await users.createUser(request);
  await users.createUser(request);

  expect(new Set(service.seen.map(({ request: { requestId } }) => requestId)).size).toBe(2);
  expect(request.requestId).toBe("");
});

test("a request_id that the caller gives is kept", async () => {
  const service = failing(away);
  const requestId = crypto.randomUUID();

  await callPlayed(service).users.createUser({ ...ada, requestId });

  expect(service.seen.map(({ request }) => request.requestId)).toEqual([requestId, requestId]);
});

// The rows of "What a caller does" in docs/exactly-once.md.
test.each<[string, ConnectError]>([
  ["UNAVAILABLE with RetryInfo", away],
  ["CONTENTION", toConnectError(contention(undefined))],
  ["SHUTTING_DOWN", toConnectError(shuttingDown())],
  ["RESOURCE_EXHAUSTED with RetryInfo", toConnectError(poolExhausted("full"))],
  ["an unknown outcome", toConnectError(repeatable(outcomeUnknown(undefined)))],
  ["DEADLINE_EXCEEDED", toConnectError(late())],
  ["INTERNAL", toConnectError(new Error("a bug"))],
  ["CANCELLED by another", toConnectError(createError("CANCELLED", "the caller has left"))],
  ["a connection that was reset", reset],
  ["a connection that was refused", new ConnectError("connect ECONNREFUSED", Code.Unavailable)],
  ["a fetch that failed", new ConnectError("Failed to fetch", Code.Unknown)],
  ["a stream that was cancelled", new ConnectError("http/2 stream closed", Code.Canceled)],
])("a mutation is repeated after %s", async (_, error) => {
  const service = failing(error);

  const { user } = await callPlayed(service).users.createUser(ada);

  expect([user?.id, service.seen.length]).toEqual(["1", 2]);
});

test.each<[string, ConnectError]>([
  ["ALREADY_EXISTS", toConnectError(emailTaken())],
  ["ABORTED by the service", toConnectError(staleEtag(userType, "1"))],
  ["INVALID_ARGUMENT", toConnectError(invalid("email", "is no email"))],
  ["MESSAGE_TOO_LARGE", toConnectError(tooLarge(16))],
  ["PERMISSION_DENIED", toConnectError(createError("METHOD_CLOSED", "no", { metadata: { method: "m" } }))],
  ["UNIMPLEMENTED by a proxy", new ConnectError("HTTP 404", Code.Unimplemented)],
  ["RESOURCE_EXHAUSTED by a proxy", new ConnectError("HTTP 429", Code.ResourceExhausted)],
])("a mutation is not repeated after %s", async (_, error) => {
  const service = failing(error);

  const failed = callPlayed(service).users.createUser(ada);

  await expect(failed).rejects.toMatchObject({ code: error.code, attempts: 1, inDoubt: false });
  expect(service.seen.length).toBe(1);
});

test("a read is repeated like a mutation, and is never in doubt", async () => {
  const getUser = () => {
    throw reset;
  };

  const failed = callPlayed({ users: { getUser } }).users.getUser({ id: "1" });

  await expect(failed).rejects.toMatchObject({ attempts: 8, inDoubt: false, requestId: undefined });
});

test.each<[string, ConnectError, number]>([
  [
    "what the service has not begun is repeated",
    toConnectError(createError("TOO_MANY_PASSWORDS", "later", { retryAfterMs: 9 })),
    8,
  ],
  ["a lost answer is not repeated", reset, 1],
  [
    "too many attempts are not repeated",
    toConnectError(createError("TOO_MANY_ATTEMPTS", "wait", { retryAfterMs: 9 })),
    1,
  ],
])("of a login, which has no request_id, %s", async (_, error, attempts) => {
  const authenticateUser = () => {
    throw error;
  };

  const failed = callPlayed({ users: { authenticateUser } }).users.authenticateUser(ada);

  await expect(failed).rejects.toMatchObject({ attempts });
});

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

test("an attempt has half of the time that is left, at least a second, and the last one all", async () => {
  const service = failing(reset, reset, reset, reset);
  const retry = { attemptsMax: 5, backoffMs: 0 };

  await callPlayed(service, { retry }).users.createUser(ada, { timeoutMs: 8_000 });

  expect(service.seen.map(({ timeoutMs }) => timeoutMs)).toEqual([4_000, 4_000, 4_000, 4_000, 8_000]);
});

test.each([
  [undefined, 7_500],
  [2_001, 1_001],
  [1_200, 1_000],
  [700, 700],
  [0, undefined],
])("with a time-out of %s the first attempt has %s ms", async (timeoutMs, expected) => {
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

test("a call that its caller has given up is not repeated", async () => {
  const leaving = new AbortController();
  const createUser = async () => {
    leaving.abort();
    throw reset;
  };

  const failed = callPlayed({ users: { createUser } }).users.createUser(ada, { signal: leaving.signal });

  await expect(failed).rejects.toMatchObject({ code: Code.Canceled, attempts: 1, inDoubt: true });
});

test.each<[string, ConnectError, boolean]>([
  ["a refusal that is kept says that no attempt has happened", toConnectError(emailTaken()), false],
  [
    "a token that has expired says nothing of the attempts before",
    toConnectError(createError("TOKEN_EXPIRED", "expired")),
    true,
  ],
])("after an attempt in doubt %s", async (_, last, inDoubt) => {
  const service = failing(reset, last);

  const failed = callPlayed(service).users.createUser(ada);

  const error = (await failed.catch((reason: unknown) => reason)) as CommerceError;
  expect([error.code, error.inDoubt, error.requestId]).toEqual([
    last.code,
    inDoubt,
    service.seen[0]!.request.requestId,
  ]);
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
