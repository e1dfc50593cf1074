import { randomUUID } from "node:crypto";
import { createClient, type Client } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import type { Config, Connection, Engine } from "../../src/config.ts";
import { InventoryService, type Product } from "../../src/gen/commerce/inventory/v1/inventory_service_pb.ts";
import { OrderService, type Order } from "../../src/gen/commerce/order/v1/order_service_pb.ts";
import { UserService, type User } from "../../src/gen/commerce/user/v1/user_service_pb.ts";
import { startServer, type Server } from "../../src/server.ts";
import { createTestDatabase, execute, type TestDatabase } from "./databases.ts";
import { expectNamed } from "./policies.ts";
import type { Proxy } from "./proxy.ts";
import { silent } from "./telemetry.ts";

/** A running service on its own database, clients of it, and the people and things that tests are about. */
export type Shop = AsyncDisposable & {
  readonly config: Config;
  readonly server: Server;
  /** To the service's database, past the service and its proxy. */
  readonly connection: Connection;
  readonly engine: Engine;
  /** Between the service and its database, where the shop was opened through one. */
  readonly proxy: Proxy | undefined;
  /** Of the gRPC listener, as http2 URL; of the HTTP listener. */
  readonly grpcUrl: string;
  readonly httpUrl: string;
  readonly users: Client<typeof UserService>;
  readonly orders: Client<typeof OrderService>;
  readonly inventory: Client<typeof InventoryService>;
  /** A new user. */
  user(): Promise<User>;
  /** A new product with pieces in stock. */
  product(onHand?: bigint): Promise<Product>;
  /** A new order over some pieces of products, at 9.99 EUR a piece, of a new user if none is given. */
  order(products: readonly Product[], quantity?: number, userId?: string): Promise<Order>;
  /** The ids of many orders without items, placed past the service: one by one takes too long. */
  manyOrders(userId: string, count: number): Promise<string[]>;
  /** Rows of each table and the sums of what changes in them: while they are equal, nothing has changed. */
  stored(): Promise<unknown>;
};

/** 9.99 EUR. */
export const price = { currencyCode: "EUR", units: 9n, nanos: 990_000_000 };

/** A line of an order. */
export function line({ id }: Pick<Product, "id">, quantity = 1, unitPrice = price) {
  return { productId: id, quantity, unitPrice };
}

/** What the tests change of a configuration that is fit for a test. */
export type Overrides = { readonly [K in keyof Config]?: Partial<NonNullable<Config[K]>> };

/** How a shop is connected with its database, by default one of its own for a test. */
export type Wiring = {
  readonly through?: (database: Connection) => Promise<Proxy>;
  readonly database?: () => Promise<TestDatabase>;
};

/** Opens a shop. */
export function openShop(overrides?: Overrides): Promise<Shop>;
/** Opens a shop that reaches its database through a proxy. */
export function openShop(
  overrides: Overrides,
  wiring: Wiring & Required<Pick<Wiring, "through">>,
): Promise<Shop & { readonly proxy: Proxy }>;
export async function openShop(
  overrides: Overrides = {},
  { through, database = createTestDatabase }: Wiring = {},
): Promise<Shop> {
  await using opening = new AsyncDisposableStack();
  const { connection, engine } = opening.use(await database());
  const proxy = through && opening.use(await through(connection));
  const anywhere = { host: "127.0.0.1", port: 0 };
  const config: Config = {
    grpcAddr: anywhere,
    httpAddr: anywhere,
    adminAddr: anywhere,
    corsOrigins: [],
    database: { kind: "remote", connection: proxy?.connection ?? connection, engine },
    start: { waitMsMax: 0, migrations: "apply" },
    tls: undefined,
    auth: undefined,
    unread: [],
    welcome: false,
    telemetry: silent,
    ...overrides,
    pool: {
      connsMax: 10,
      connsMin: 0,
      queueMax: 1_000,
      waitMsMax: 10_000,
      lifetimeMs: 300_000,
      idleMsMax: 300_000,
      ...overrides.pool,
    },
    calls: {
      inFlightMax: 1_000,
      streamsMax: 1_000,
      messageBytesMax: 4 * 2 ** 20,
      deadlineMsDefault: 15_000,
      deadlineMsMax: 60_000,
      streams: {},
      refusalMs: 86_400_000,
      coalesce: true,
      ...overrides.calls,
    },
    logins: { attemptsMax: 5, delayMsMax: 900_000, callerFailuresMax: 300, ...overrides.logins },
    connections: { max: 2_048, peerMax: 2_048 },
    shutdown: { drainMs: 0, graceMs: 5_000, ...overrides.shutdown },
  } as Config;
  const server = opening.use(await startServer(config));
  const grpcUrl = `http://127.0.0.1:${server.grpc.port}`;
  const transport = createGrpcTransport({ baseUrl: grpcUrl, interceptors: [expectNamed] });
  const users = createClient(UserService, transport);
  const orders = createClient(OrderService, transport);
  const inventory = createClient(InventoryService, transport);

  const user = async (): Promise<User> => {
    const email = `${randomUUID()}@example.com`;
    return (await users.createUser({ email, name: "Ada", password: "correct horse" })).user!;
  };
  const open = opening.move();
  return {
    config,
    server,
    connection,
    engine,
    proxy,
    grpcUrl,
    httpUrl: `http://127.0.0.1:${server.http.port}`,
    users,
    orders,
    inventory,
    user,
    product: async (onHand = 100n) => (await inventory.createProduct({ name: "Lamp", onHand })).product!,
    async order(products, quantity = 1, userId) {
      const items = products.map((product) => line(product, quantity));
      return (await orders.createOrder({ userId: userId ?? (await user()).id, items })).order!;
    },
    async manyOrders(userId, count) {
      return (await execute<{ id: string }>(connection, insertOrders, [userId, count])).map(({ id }) => id);
    },
    stored: async () => (await execute(connection, countEverything))[0],
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}

/** All in one instant, as orders may be that are placed at once. */
const insertOrders = `
  insert into orders (id, user_id, status, currency_code, total, item_count, reserves_stock, fingerprint)
  select gen_random_uuid(), $1::uuid, 'pending', 'EUR', 9.99, 1, false, gen_random_uuid()
  from generate_series(1, $2::int4)
  returning id`;

const countEverything = `
  select (select count(*) from order_items) as items, (select count(*) from order_events) as events,
    (select count(*) from stock_movements) as movements, (select count(*) from user_changes) as "userChanges",
    (select array[count(*), sum(version)::int8] from users) as users,
    (select array[count(*), sum(version)::int8] from orders) as orders,
    (select array[count(*), sum(version)::int8, sum(on_hand)::int8] from products) as products`;
