import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../src/gen/grpc/health/v1/health_pb.ts";
import {
  type Listeners,
  drain,
  type Protocol,
  PROTOCOLS,
  readMetrics,
  startListeners,
  transport,
  userClient,
} from "./support/listeners.ts";

const USERS = "commerce.user.v1.UserService";
const ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
const client = (listeners: Listeners, protocol: Protocol) =>
  createClient(Health, transport(listeners, protocol));
const probe = async (listeners: Listeners, path: string) => {
  const response = await fetch(`http://127.0.0.1:${listeners.admin.address.port}${path}`);
  return { status: response.status, body: await response.json() };
};

test("is NOT_SERVING until told otherwise, and alive from the start", async () => {
  await using listeners = await startListeners();

  const { statuses } = await client(listeners, "gRPC listener").list({});

  expect(Object.entries(statuses).map(([service, { status }]) => [service, status])).toEqual([
    ["", Status.NOT_SERVING],
    ["grpc.health.v1.Health", Status.NOT_SERVING],
    [USERS, Status.NOT_SERVING],
    ["liveness", Status.SERVING],
  ]);
});

test.each(PROTOCOLS)("Check follows readiness over %s", async (protocol) => {
  await using listeners = await startListeners();
  listeners.health.set(true);

  const { status } = await client(listeners, protocol).check({ service: USERS });

  expect(status).toBe(Status.SERVING);
});

test.each(PROTOCOLS)("Check fails with NOT_FOUND for an unknown service over %s", async (protocol) => {
  await using listeners = await startListeners();

  const error = await client(listeners, protocol)
    .check({ service: "nobody" })
    .catch((problem: unknown) => problem);

  expect(error).toMatchObject({ code: Code.NotFound });
});

test.each(PROTOCOLS)("Watch pushes each change over %s", async (protocol) => {
  await using listeners = await startListeners();
  const leave = new AbortController();
  const watch = client(listeners, protocol).watch({ service: USERS }, { signal: leave.signal });

  const seen: Status[] = [];
  await (async () => {
    for await (const { status } of watch) {
      seen.push(status);
      if (seen.length === 3) leave.abort();
      else listeners.health.set(status !== Status.SERVING);
    }
  })().catch(() => {});

  expect(seen).toEqual([Status.NOT_SERVING, Status.SERVING, Status.NOT_SERVING]);
});

test("Watch answers SERVICE_UNKNOWN for an unknown service and goes on", async () => {
  await using listeners = await startListeners();
  const watch = client(listeners, "gRPC listener").watch({ service: "nobody" })[Symbol.asyncIterator]();

  const first = await watch.next();

  expect(first).toMatchObject({ done: false, value: { status: Status.SERVICE_UNKNOWN } });
});

test("stays NOT_SERVING for good after shutdown", async () => {
  await using listeners = await startListeners();
  listeners.health.set(true);

  listeners.health.shutdown();
  listeners.health.set(true);

  const { status } = await client(listeners, "gRPC listener").check({});
  expect(status).toBe(Status.NOT_SERVING);
});

test("answers probes when calls are shed and tokens are refused", async () => {
  const authenticate = () => Promise.reject(new Error("the keys are gone"));
  await using listeners = await startListeners({}, { calls: { inFlightMax: 0 }, authenticate });
  listeners.health.set(true);

  const { status } = await client(listeners, "gRPC listener").check({});

  expect(status).toBe(Status.SERVING);
  expect(listeners.lines).toEqual([]);
});

test("the admin listener says which check fails", async () => {
  await using listeners = await startListeners();

  listeners.health.set(false, "database: no answer for 2 s");
  const failing = await probe(listeners, "/readyz");
  listeners.health.set(true);
  const ready = await probe(listeners, "/readyz");
  const others = [await probe(listeners, "/livez"), await probe(listeners, "/")];

  expect(failing).toEqual({ status: 503, body: { ready: false, reason: "database: no answer for 2 s" } });
  expect(ready).toEqual({ status: 200, body: { ready: true } });
  expect(others.map(({ status }) => status)).toEqual([200, 404]);
});

test("drains in order: watchers hear NOT_SERVING, calls in flight finish, watches end", async () => {
  const inside = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const getUser = async ({ id }: { readonly id: string }) => {
    inside.resolve();
    await gate.promise;
    return { user: { id } };
  };
  await using listeners = await startListeners({ getUser });
  listeners.health.set(true);
  const watches = PROTOCOLS.map(async (protocol) => {
    const seen: unknown[] = [];
    try {
      for await (const { status } of client(listeners, protocol).watch({})) {
        seen.push(status);
        if (status === Status.NOT_SERVING) gate.resolve();
      }
    } catch (error) {
      seen.push(ConnectError.from(error).code);
    }
    return seen;
  });
  const running = userClient(listeners, "gRPC listener").getUser({ id: ID });
  await inside.promise;
  await expect.poll(() => watchers(listeners)).toBe(PROTOCOLS.length);

  const finished = await drain(listeners, { drainMs: 50, graceMs: 5_000 });

  expect(finished).toBe(true);
  expect((await running).user?.id).toBe(ID);
  expect(await Promise.all(watches)).toEqual(
    PROTOCOLS.map(() => [Status.SERVING, Status.NOT_SERVING, Code.Unavailable]),
  );
});

test.each(PROTOCOLS)("Watch that begins in a drain ends at once over %s", async (protocol) => {
  await using listeners = await startListeners();
  listeners.pipeline.drain();

  const watch = client(listeners, protocol).watch({}, { timeoutMs: 5_000 })[Symbol.asyncIterator]();
  const error = await watch.next().catch((problem: unknown) => problem);

  expect(error).toMatchObject({ code: Code.Unavailable });
});

async function watchers(listeners: Listeners): Promise<number> {
  const started = /rpc_server_calls_started_total\{[^}]*Watch"[^}]*\} (\d+)/g;
  return [...(await readMetrics(listeners)).matchAll(started)].reduce(
    (sum, [, count]) => sum + Number(count),
    0,
  );
}
