import { once } from "node:events";
import * as http2 from "node:http2";
import * as net from "node:net";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { expect, inject, test } from "vitest";
import { InventoryService } from "../../src/gen/commerce/inventory/v1/inventory_service_pb.ts";
import { OrderService } from "../../src/gen/commerce/order/v1/order_service_pb.ts";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "../../src/gen/grpc/health/v1/health_pb.ts";
import { execute } from "../support/databases.ts";
import { failure } from "../support/errors.ts";
import { connectTo } from "../support/calls.ts";
import { holdProduct } from "../support/locks.ts";
import { countActive } from "../support/metrics.ts";
import { line, openShop, type Shop } from "../support/shop.ts";
import { type Way, WAYS } from "../support/ways.ts";

const loaded: readonly Way[] = [
  "gRPC on the gRPC port by @grpc/grpc-js",
  "gRPC on the HTTP port",
  "Connect over HTTP/1.1",
];

/** How a caller hears that the server takes no calls any more: refused, or on a connection that is closed. */
const refused = /^\[unavailable\]|NGHTTP2_REFUSED_STREAM|ECONNRESET|EPIPE/;

test.each(loaded)(
  "stop() under load fails no call that had begun over %s, and none that it executed",
  async (way) => {
    await using shop = await openShop({ shutdown: { drainMs: 100 } });
    const [lamp, { id: userId }] = [await shop.product(1_000_000n), await shop.user()];
    const orders = createClient(OrderService, WAYS[way](shop));
    const calls: { readonly begun: "before" | "after"; error?: ConnectError }[] = [];
    let now: "before" | "after" = "before";
    const placeUntilRefused = async (): Promise<void> => {
      for (let error: ConnectError | undefined; error === undefined;) {
        const call: (typeof calls)[number] = { begun: now };
        calls.push(call);
        const answer = await orders.createOrder({ userId, items: [line(lamp)] }).catch(ConnectError.from);
        if (answer instanceof ConnectError) error = call.error = answer;
      }
    };

    const callers = Array.from({ length: 16 }, placeUntilRefused);
    await expect.poll(() => calls.length).toBeGreaterThan(100);
    now = "after";
    const [finished] = await Promise.all([shop.server.stop(), ...callers]);

    const failed = calls.filter(({ error }) => error !== undefined);
    expect(finished).toBe(true);
    expect(failed.filter(({ begun }) => begun === "before")).toEqual([]);
    expect(failed.map(({ error }) => error!.message).filter((message) => !refused.test(message))).toEqual([]);
    // Whoever is refused may call again elsewhere: what was refused has not happened.
    const stored = await execute(shop.connection, "select id from orders");
    expect(stored).toHaveLength(calls.length - failed.length);
  },
);

test("stop() says NOT_SERVING, then GOAWAY, then waits for the calls in flight", async () => {
  await using shop = await openShop({ shutdown: { drainMs: 50, graceMs: 10_000 } });
  const lamp = await shop.product(5n);
  const events: string[] = [];
  const watching = watch(shop, "grpcUrl", (status) => events.push(status));
  await expect.poll(() => events).toEqual(["SERVING"]);
  // Each connection hears it twice: at first, and when its last call has been answered.
  const session = http2.connect(shop.grpcUrl).once("goaway", () => events.push("GOAWAY"));
  await once(session, "connect");
  const held = await holdProduct(shop, lamp);
  const { adjustStock } = createClient(InventoryService, createGrpcTransport({ baseUrl: shop.grpcUrl }));
  const call = adjustStock({ productId: lamp.id, delta: 1n }).then(({ product }) =>
    events.push(`answered ${product!.onHand}`),
  );
  await expect.poll(() => countActive(shop)).toBe(1);

  const stopping = shop.server.stop().then((finished) => events.push(`stopped ${finished}`));
  const unready = await fetch(`http://127.0.0.1:${shop.server.admin.port}/readyz`);
  await expect.poll(() => events).toContain("GOAWAY");
  await held[Symbol.asyncDispose]();
  await Promise.all([call, stopping]);

  expect([unready.status, await unready.json()]).toEqual([503, { ready: false, reason: "shutting down" }]);
  expect(events).toEqual(["SERVING", "NOT_SERVING", "GOAWAY", "answered 6", "stopped true"]);
  expect(await watching).toBe(Code.Unavailable);
});

test.each(["grpcUrl", "httpUrl"] as const)(
  "Watch hears NOT_SERVING before its end (%s)",
  async (listener) => {
    await using shop = await openShop();
    const statuses: string[] = [];
    const watching = watch(shop, listener, (status) => statuses.push(status));
    await expect.poll(() => statuses).toEqual(["SERVING"]);

    await shop.server.stop();

    expect([await watching, statuses]).toEqual([Code.Unavailable, ["SERVING", "NOT_SERVING"]]);
  },
);

test("stop() takes new calls until the drain is over and new connections not any more after it", async () => {
  await using shop = await openShop({ shutdown: { drainMs: 300 } });
  const { id } = await shop.user();

  const stopping = shop.server.stop();
  const { user } = await shop.users.getUser({ id });
  await stopping;
  const { grpc, http, admin } = shop.server;
  const problems = await Promise.all([grpc, http, admin].map(({ port }) => connectTo(port)));

  expect(user!.id).toBe(id);
  expect(problems).toEqual(["ECONNREFUSED", "ECONNREFUSED", "ECONNREFUSED"]);
  expect(await failure(shop.users.getUser({ id }))).toMatchObject({ code: "Unavailable" });
});

test("stop() called again stops nothing twice and answers what the first one did", async () => {
  await using shop = await openShop({ shutdown: { graceMs: 50 } });
  const lamp = await shop.product(5n);
  await using locks = new AsyncDisposableStack();
  locks.use(await holdProduct(shop, lamp));
  const { adjustStock } = createClient(InventoryService, createGrpcTransport({ baseUrl: shop.httpUrl }));
  const call = failure(adjustStock({ productId: lamp.id, delta: 1n }));
  await expect.poll(() => countActive(shop)).toBe(1);

  const both = await Promise.all([shop.server.stop(), shop.server.stop()]);
  const later = await shop.server.stop();

  await call;
  expect([...both, later]).toEqual([false, false, false]);
});

test.each(["grpcUrl", "httpUrl"] as const)(
  "stop() cuts off a call that outlasts the grace and answers false (%s)",
  async (listener) => {
    await using shop = await openShop({ shutdown: { graceMs: 150 }, calls: { deadlineMsDefault: 2_000 } });
    const lamp = await shop.product(5n);
    await using locks = new AsyncDisposableStack();
    locks.use(await holdProduct(shop, lamp));
    const { adjustStock } = createClient(InventoryService, createGrpcTransport({ baseUrl: shop[listener] }));
    const call = failure(adjustStock({ productId: lamp.id, delta: 1n }));
    await expect.poll(() => countActive(shop)).toBe(1);

    const finished = await shop.server.stop();

    expect(finished).toBe(false);
    // Not OK, and not the deadline either: the connection has gone.
    expect((await call).code).toMatch(/^(Unavailable|Canceled|Aborted|Internal)$/);
    const select = "select on_hand as pieces from products where id = $1";
    expect(await execute(shop.connection, select, [lamp.id])).toEqual([{ pieces: "5" }]);
  },
);

// CockroachDB's pg_stat_activity is empty.
test.skipIf(inject("engine").engine === "cockroachdb")(
  "stop() leaves no connection in the database, also when it had to cut a call off",
  async () => {
    await using shop = await openShop({ shutdown: { graceMs: 50 }, calls: { deadlineMsDefault: 2_000 } });
    const lamp = await shop.product();
    await Promise.all(Array.from({ length: 8 }, () => shop.user()));
    await using locks = new AsyncDisposableStack();
    locks.use(await holdProduct(shop, lamp));
    const call = failure(shop.inventory.adjustStock({ productId: lamp.id, delta: 1n }));
    await expect.poll(() => countActive(shop)).toBe(1);
    const open = await sessions(shop);

    await shop.server.stop();

    await call;
    expect(open).toBeGreaterThan(0);
    // The server takes a moment to end the process of a connection that was closed.
    await expect.poll(() => sessions(shop)).toBe(0);
  },
);

/** The connections of the service to its database. */
async function sessions(shop: Shop): Promise<number> {
  const mine = "datname = current_database() and application_name like 'commerce-core%'";
  return (await execute(shop.connection, `select pid from pg_stat_activity where ${mine}`)).length;
}

/** Watches the health of the whole service to its end, and answers the code of the error that ends it. */
async function watch(
  shop: Shop,
  listener: "grpcUrl" | "httpUrl",
  onStatus: (status: string) => void,
): Promise<Code | undefined> {
  const health = createClient(Health, createGrpcTransport({ baseUrl: shop[listener] }));
  try {
    for await (const { status } of health.watch({}))
      onStatus(status === Status.SERVING ? "SERVING" : "NOT_SERVING");
    return undefined;
  } catch (error) {
    return ConnectError.from(error).code;
  }
}

test("stop() does not wait for requests that do not arrive", async () => {
  await using shop = await openShop({ shutdown: { graceMs: 60_000 } });
  await using sockets = new AsyncDisposableStack();
  const path = "/commerce.user.v1.UserService/ListUsers";
  const raw = net.connect(shop.server.http.port, "127.0.0.1");
  sockets.defer(() => void raw.destroy());
  raw.on("error", () => {});
  raw.write(
    `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{`,
  );
  const session = http2.connect(shop.grpcUrl).on("error", () => {});
  sockets.defer(() => session.destroy());
  const stream = session.request({ ":method": "POST", ":path": path, "content-type": "application/grpc" });
  stream.on("error", () => {});
  await once(session, "remoteSettings");

  expect(await shop.server.stop()).toBe(true);
});
