import { create, toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { expect, test } from "vitest";
import type { Call } from "../src/call.ts";
import { DomainError } from "../src/errors.ts";
import { GetUserRequestSchema } from "../src/gen/commerce/user/v1/user_service_pb.ts";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  PreconditionFailureSchema,
  ResourceInfoSchema,
  RetryInfoSchema,
} from "../src/gen/google/rpc/error_details_pb.ts";
import { failureOf, frame, post } from "./support/calls.ts";
import { PROTOCOLS, readMetrics, startListeners, userClient } from "./support/listeners.ts";

const ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
const getUser = ({ id }: { readonly id: string }) => ({ user: { id } });

test.each(PROTOCOLS)("answers over %s", async (protocol) => {
  await using listeners = await startListeners({ getUser });

  const { user } = await userClient(listeners, protocol).getUser({ id: ID });

  expect(user?.id).toBe(ID);
});

test.each(PROTOCOLS)(
  "masks an unknown error over %s and logs it with the id it answers, the method and the caller in one line",
  async (protocol) => {
    const secret = Object.assign(new Error("secret"), {
      code: "23505",
      detail: "Key (email)=(ann@example.com)",
    });
    const options = { authenticate: async () => "ann" };
    await using listeners = await startListeners({ getUser: () => Promise.reject(secret) }, options);

    const error = await failureOf(userClient(listeners, protocol).getUser({ id: ID }));

    const [info] = error.findDetails(ErrorInfoSchema);
    expect(error.rawMessage).toBe("internal error");
    expect(error.code).toBe(Code.Internal);
    expect(info).toMatchObject({
      reason: "INTERNAL",
      domain: "commerce-core",
      metadata: { id: expect.any(String) },
    });
    expect(listeners.lines).toMatchObject([
      {
        level: "error",
        method: "commerce.user.v1.UserService/GetUser",
        principal: "ann",
        code: "INTERNAL",
        id: info?.metadata["id"],
        err: { message: "secret", code: "23505" },
      },
    ]);
    expect(JSON.stringify(listeners.lines)).not.toContain("ann@example.com");
  },
);

test.each(PROTOCOLS)(
  "carries the facts of a domain error as google.rpc details over %s",
  async (protocol) => {
    const facts = {
      fields: [{ field: "items[2].quantity", description: "too many" }],
      resource: { type: "commerce.user.v1.User", name: ID },
      violations: [{ type: "STOCK", subject: "p1", description: "3 left" }],
      retryAfterMs: 1500,
      metadata: { available: "3" },
    };
    const thrown = new DomainError("INSUFFICIENT_STOCK", "3 left of p1 — “ß”", facts);
    await using listeners = await startListeners({ getUser: () => Promise.reject(thrown) });

    const error = await failureOf(userClient(listeners, protocol).getUser({ id: ID }));

    expect([error.code, error.rawMessage]).toEqual([Code.FailedPrecondition, "3 left of p1 — “ß”"]);
    expect(error.findDetails(ErrorInfoSchema)).toMatchObject([
      { reason: "INSUFFICIENT_STOCK", domain: "commerce-core", metadata: { available: "3" } },
    ]);
    expect(error.findDetails(BadRequestSchema)).toMatchObject([{ fieldViolations: facts.fields }]);
    expect(error.findDetails(ResourceInfoSchema)).toMatchObject([
      { resourceType: "commerce.user.v1.User", resourceName: ID },
    ]);
    expect(error.findDetails(PreconditionFailureSchema)).toMatchObject([{ violations: facts.violations }]);
    expect(error.findDetails(RetryInfoSchema)).toMatchObject([
      { retryDelay: { seconds: 1n, nanos: 500_000_000 } },
    ]);
  },
);

test("cuts an error to what every client takes in HTTP trailers: 8 KiB", async () => {
  const fields = Array.from({ length: 1000 }, (_, i) => ({
    field: `ids[${i}]`,
    description: "字".repeat(1000),
  }));
  const facts = { fields, metadata: { missing: ID.repeat(1000) } };
  const thrown = new DomainError("INVALID_FIELD", "x😀".repeat(5000), facts);
  await using listeners = await startListeners({ getUser: () => Promise.reject(thrown) });
  const request = toBinary(GetUserRequestSchema, create(GetUserRequestSchema, { id: ID }));

  const trailers = await post(
    listeners.grpc.address.port,
    "/commerce.user.v1.UserService/GetUser",
    frame(request),
  );
  const error = await failureOf(userClient(listeners, "gRPC listener").getUser({ id: ID }));

  expect(Object.entries(trailers).flat().join("").length).toBeLessThan(8192);
  expect(error.rawMessage).toMatch(/^(x😀)+x…$/u);
  expect(error.findDetails(BadRequestSchema)[0]?.fieldViolations).toHaveLength(10);
});

test.each(PROTOCOLS)("names each wrong field over %s, and calls no handler", async (protocol) => {
  let calls = 0;
  await using listeners = await startListeners({
    batchGetUsers: () => ({ users: [], calls: (calls += 1) }) as never,
  });

  const error = await failureOf(userClient(listeners, protocol).batchGetUsers({ ids: [ID, "x", ""] }));

  const fields = error.findDetails(BadRequestSchema)[0]?.fieldViolations.map(({ field }) => field);
  expect([error.code, fields, calls]).toEqual([Code.InvalidArgument, ["ids[1]", "ids[2]"], 0]);
});

test.each(PROTOCOLS)(
  "tells what is known before the service's own deadline over %s even if the handler ignores its signal",
  async (protocol) => {
    const stuck = Promise.withResolvers<never>();
    let call: Call | undefined;
    const options = { calls: { deadlineMsDefault: 1_000 } };
    await using listeners = await startListeners(
      { getUser: (_, own) => ((call = own), stuck.promise) },
      options,
    );

    const error = await failureOf(userClient(listeners, protocol).getUser({ id: ID }));

    expect(error.code).toBe(Code.Unavailable);
    expect(error.findDetails(ErrorInfoSchema)).toMatchObject([{ reason: "DATABASE_UNAVAILABLE" }]);
    expect(call?.signal.reason).toMatchObject({ kind: "unavailable" });
  },
);

test.each(PROTOCOLS)(
  "tells the handler the caller's deadline over %s, clamped to the maximum",
  async (protocol) => {
    const deadlines: number[] = [];
    const handler = {
      getUser: ({ id }: { id: string }, call: Call) => (deadlines.push(call.deadlineMs), getUser({ id })),
    };
    await using listeners = await startListeners(handler, { calls: { deadlineMsMax: 10_000 } });
    const client = userClient(listeners, protocol);
    const startMs = Date.now();

    await client.getUser({ id: ID });
    await client.getUser({ id: ID }, { timeoutMs: 8_000 });
    await client.getUser({ id: ID }, { timeoutMs: 3_000_000 });

    const seconds = deadlines.map((deadlineMs) => Math.round((deadlineMs - startMs) / 1000));
    expect(seconds).toEqual([5, 8, 10]);
  },
);

test.each(PROTOCOLS)("aborts the handler's signal over %s when the caller cancels", async (protocol) => {
  const started = Promise.withResolvers<void>();
  const aborted = Promise.withResolvers<unknown>();
  const caller = new AbortController();
  await using listeners = await startListeners({
    getUser(_, { signal }) {
      signal.addEventListener("abort", () => aborted.resolve(signal.reason));
      started.resolve();
      return new Promise<never>(() => {});
    },
  });

  const answer = failureOf(userClient(listeners, protocol).getUser({ id: ID }, { signal: caller.signal }));
  await started.promise;
  caller.abort();

  expect(await aborted.promise).toMatchObject({ kind: "cancelled", reason: "CANCELLED" });
  expect((await answer).code).toBe(Code.Canceled);
});

test("sheds calls above the bound until handlers have really stopped, and never a probe", async () => {
  const first = Promise.withResolvers<ReturnType<typeof getUser>>();
  const options = { calls: { inFlightMax: 1, deadlineMsDefault: 500 } };
  await using listeners = await startListeners({ getUser: () => first.promise }, options);
  const client = userClient(listeners, "gRPC listener");
  await failureOf(client.getUser({ id: ID })); // Its deadline passes; its handler goes on.

  const shed = await failureOf(client.getUser({ id: ID }));
  first.resolve(getUser({ id: ID }));
  await first.promise;
  const { user } = await client.getUser({ id: ID });

  expect(shed.code).toBe(Code.ResourceExhausted);
  expect(shed.findDetails(ErrorInfoSchema)).toMatchObject([{ reason: "TOO_MANY_CALLS" }]);
  expect(shed.findDetails(RetryInfoSchema)).toHaveLength(1);
  expect(user?.id).toBe(ID);
});

test.each(PROTOCOLS)("hands the authenticated principal to the handler over %s", async (protocol) => {
  const authenticate = async (header: (name: string) => string | null): Promise<string> => {
    const token = header("authorization");
    if (!token) throw new DomainError("CREDENTIALS_MISSING", "no token");
    return token.replace("Bearer ", "");
  };
  const handler = { getUser: (_: unknown, { principal }: Call) => ({ user: { name: principal } }) };
  await using listeners = await startListeners(handler, { authenticate });

  const { user } = await userClient(listeners, protocol, "ann").getUser({ id: ID });
  const refused = await failureOf(userClient(listeners, protocol).getUser({ id: "not even a UUID" }));

  expect([user?.name, refused.code]).toEqual(["ann", Code.Unauthenticated]);
});

test("counts calls by method, listener and code, and leaves no request in the log", async () => {
  await using listeners = await startListeners({
    createUser: () => Promise.reject(new DomainError("EMAIL_TAKEN", "taken")),
  });
  const request = { email: "ann@example.com", name: "Ann", password: "correct horse" };

  await failureOf(userClient(listeners, "gRPC listener", "s3cr3t").createUser(request));

  const metrics = await readMetrics(listeners);
  expect(metrics).toMatch(
    /_duration_seconds_count\{[^}]*CreateUser"[^}]*="grpc"[^}]*"ALREADY_EXISTS",error_type="EMAIL_TAKEN"\} 1/,
  );
  expect(metrics).toContain("nodejs_eventloop_lag_seconds");
  expect(listeners.lines).toMatchObject([
    {
      level: "debug",
      method: "commerce.user.v1.UserService/CreateUser",
      code: "ALREADY_EXISTS",
      reason: "EMAIL_TAKEN",
    },
  ]);
  expect(JSON.stringify(listeners.lines)).not.toMatch(/horse|ann@example|s3cr3t/);
});
