import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import type { CommerceError } from "../client/src/errors.ts";
import { CreateUserRequestSchema } from "../client/src/gen/commerce/user/v1/user_service_pb.ts";
import {
  contention,
  createError,
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
import { ada, away, callPlayed, failing, reset } from "./support/client.ts";

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

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
  ["ABORTED by the service", toConnectError(staleEtag(userType, "1", "2"))],
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

test("a request that cannot be encoded is not sent again and again", async () => {
  const { orders } = callPlayed({});

  const failed = orders.createOrder({ items: [{ quantity: 1.5 }] });

  await expect(failed).rejects.toMatchObject({ code: Code.Internal, attempts: 1, inDoubt: false });
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
