import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Client, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import pg from "pg";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { Connection } from "../src/config.ts";
import { startOf } from "../src/db/embedded/directory-lock.ts";
import { connectRunning } from "../src/db/embedded/embedded.ts";
import { toClientConfig } from "../src/db/engine/connection.ts";
import { InventoryService } from "../src/gen/commerce/inventory/v1/inventory_service_pb.ts";
import { UserService } from "../src/gen/commerce/user/v1/user_service_pb.ts";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../src/gen/grpc/health/v1/health_pb.ts";
import { execute } from "./support/databases.ts";
import { toUrl } from "./support/main.ts";
import { type Scratch, startScratch } from "./support/scratch.ts";
import { readMetrics } from "./support/metrics.ts";
import { type Service, startService, workersOf } from "./support/service.ts";

// Three processes start, each of which loads what it needs, on a machine that others use.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

/** The tests share a service of two workers, in the order in which they stand, and the last one ends it. */
let scratch: Scratch;
let database: Connection;
let service: Service;
/** Callers on connections of their own. */
const sessions: Http2SessionManager[] = [];

beforeAll(async () => {
  scratch = await startScratch();
  database = await scratch.createDatabase();
  service = await startService({
    WORKERS: "2",
    DATABASE_URL: toUrl(database),
    CRDB_MAX_CONNS: "5",
    CALL_COALESCE: "true",
    LOG_LEVEL: "debug",
  });
});

afterAll(async () => {
  for (const session of sessions) session.abort();
  await service[Symbol.asyncDispose]();
  await scratch[Symbol.asyncDispose]();
});

function connect(): Client<typeof UserService> & { readonly products: Client<typeof InventoryService> } {
  const sessionManager = new Http2SessionManager(service.grpcUrl);
  sessions.push(sessionManager);
  const transport = createGrpcTransport({ baseUrl: service.grpcUrl, sessionManager });
  return Object.assign(createClient(UserService, transport), {
    products: createClient(InventoryService, transport),
  });
}

/** How many calls of a method each worker has answered, by the log. */
async function answered(method: string): Promise<Record<number, number>> {
  const whole = new RegExp(`/${method}".*}$`);
  const lines = (await service.logged("}")).split("\n").filter((line) => whole.test(line));
  const counts: Record<number, number> = {};
  for (const line of lines) {
    const { worker } = JSON.parse(line) as { worker: number };
    counts[worker] = (counts[worker] ?? 0) + 1;
  }
  return counts;
}

test("prints how many workers serve, and is ready", async () => {
  const ready = await fetch(`${service.adminUrl}/readyz`);

  expect(service.welcome).toContain("\n  workers                   2 processes, led by this one\n");
  expect(await ready.json()).toEqual({ ready: true });
});

test("connections go to the workers in turn, and one scrape adds up what both have done", async () => {
  const callers = Array.from({ length: 4 }, connect);

  for (const caller of callers) await caller.listUsers({});

  await expect.poll(() => answered("ListUsers")).toEqual({ 1: 2, 2: 2 });
  expect(await readMetrics(service.adminUrl, "rpc_server_calls_started_total")).toBe(4);
  expect(await readMetrics(service.adminUrl, "rpc_server_connections")).toBeGreaterThanOrEqual(4);
});

test("the workers share one budget of connections to the database", async () => {
  expect(await readMetrics(service.adminUrl, "db_client_connection_max")).toBe(5);
  expect(await readMetrics(service.adminUrl, "commerce_workers_serving")).toBe(2);
});

test("a call that is repeated through the other worker happens once", async () => {
  const [one, other] = [connect(), connect()];
  const asked = {
    requestId: crypto.randomUUID(),
    email: "ada@example.com",
    name: "Ada",
    password: "correct horse",
  };

  const made = await Promise.all([one.createUser(asked), other.createUser(asked), one.createUser(asked)]);

  await expect.poll(async () => Object.keys(await answered("CreateUser"))).toEqual(["1", "2"]);
  expect(new Set(made.map(({ user }) => user!.id)).size).toBe(1);
  expect(await execute(database, "select email from users")).toHaveLength(1);
});

test("a worker that is killed under load is replaced, and calls on the other one do not notice", async () => {
  const before = await workersOf(service, 2);
  const callers = [connect(), connect()];
  const outcomes = callers.map((): (ConnectError | undefined)[] => []);
  const over = new AbortController();
  const loads = callers.map(async (caller, index) => {
    while (!over.signal.aborted) {
      const failure = await caller
        .listUsers({}, { timeoutMs: 5_000 })
        .then(() => undefined, ConnectError.from);
      outcomes[index]!.push(failure);
    }
  });
  await expect.poll(() => outcomes.every((each) => each.length > 20)).toBe(true);
  const startedBefore = (await readMetrics(service.adminUrl, "rpc_server_calls_started_total"))!;

  process.kill(before.get(1)!, "SIGKILL");
  const after = await workersOf(service, 3);
  const seen = outcomes.map((each) => each.length);
  await expect.poll(() => outcomes.every((each, index) => each.length > seen[index]! + 20)).toBe(true);
  over.abort();
  await Promise.all(loads);

  const failures = outcomes.map((each) => each.filter((failure) => failure !== undefined).length);
  expect(Math.min(...failures)).toBe(0);
  expect([after.get(1) !== before.get(1), after.get(2)]).toEqual([true, before.get(2)]);
  expect(await service.logged("a worker has ended")).toMatch(
    /"worker":1,"pid":\d+,"code":null,"signal":"SIGKILL","waitMs":\d+,"msg":"a worker has ended/,
  );
  expect(await readMetrics(service.adminUrl, "commerce_worker_restarts_total")).toBe(1);
  expect(await readMetrics(service.adminUrl, "rpc_server_calls_started_total")).toBeGreaterThan(
    startedBefore,
  );
});

test("each worker tells the health of the service", async () => {
  const health = Array.from({ length: 2 }, () => {
    const sessionManager = new Http2SessionManager(service.grpcUrl);
    sessions.push(sessionManager);
    return createClient(Health, createGrpcTransport({ baseUrl: service.grpcUrl, sessionManager }));
  });

  // A worker that has just begun to serve is told in the same moment.
  await expect
    .poll(() => Promise.all(health.map(async (each) => (await each.check({})).status)))
    .toEqual([Status.SERVING, Status.SERVING]);
});

test("a signal to all processes lets all calls finish, and leaves nothing behind", async () => {
  const workers = await workersOf(service, 3);
  const holder = new pg.Client(toClientConfig(database));
  await holder.connect();
  await holder.query("begin");
  await holder.query("lock table products in access exclusive mode");
  const held = [connect(), connect()].map((caller) => caller.products.listProducts({}));
  await expect.poll(async () => (await execute(database, waiting)).length).toBe(2);
  let isStopping = false;
  const calls: { readonly begunBefore: boolean; failure?: ConnectError | undefined }[] = [];
  const loads = Array.from({ length: 8 }, async () => {
    const caller = connect();
    for (let failure: ConnectError | undefined; failure === undefined;) {
      const call: (typeof calls)[number] = { begunBefore: !isStopping };
      calls.push(call);
      failure = call.failure = await caller.listUsers({}).then(() => undefined, ConnectError.from);
    }
  });
  await expect.poll(() => calls.length).toBeGreaterThan(100);

  isStopping = true;
  service.signalGroup("SIGINT");
  await service.printed("stopping");
  await holder.query("rollback");
  await holder.end();
  const [answers, ended] = await Promise.all([Promise.all(held), service.ended, ...loads]);

  expect(calls.filter(({ begunBefore, failure }) => begunBefore && failure !== undefined)).toEqual([]);
  expect(answers.map(({ products }) => products)).toEqual([[], []]);
  expect(ended).toMatchObject({ code: 0, signal: null });
  expect(ended.stdout).toMatch(/\nstopping: calls in flight may finish\nstopped\n$/);
  expect(await Promise.all(Array.from(workers.values(), startOf))).toEqual([undefined, undefined]);
});

const waiting =
  "select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";

test.runIf(process.platform === "linux")(
  "SIGKILL of the leader leaves neither workers nor postgres",
  async () => {
    const directory = await mkdtemp(path.join(tmpdir(), "commerce-workers-"));
    let workers = new Map<number, number>();
    await using _ = {
      async [Symbol.asyncDispose]() {
        // Those that a failure leaves would stay for good, and the server may still be writing its last.
        workers.forEach(end);
        await rm(directory, { recursive: true, maxRetries: 10 });
      },
    };
    const dataDir = path.join(directory, "data");
    await using killed = await startService({ WORKERS: "2", DATA_DIR: dataDir });
    workers = await workersOf(killed, 2);
    const running = (await connectRunning(dataDir))!;

    killed.signal("SIGKILL");
    await killed.ended;

    await expect.poll(() => execute(running, "select").catch(() => "gone")).toBe("gone");
    await expect
      .poll(() => Promise.all(Array.from(workers.values(), startOf)))
      .toEqual([undefined, undefined]);
  },
);

function end(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}
