import { randomUUID } from "node:crypto";
import { createClient, type Client } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import type { Config } from "../../src/config.ts";
import { InventoryService, type Product } from "../../src/gen/commerce/inventory/v1/inventory_service_pb.ts";
import { OrderService, type Order } from "../../src/gen/commerce/order/v1/order_service_pb.ts";
import { UserService, type User } from "../../src/gen/commerce/user/v1/user_service_pb.ts";
import { startServer, type Server } from "../../src/server.ts";
import { createTestDatabase } from "./databases.ts";

/** A running service on a database of its own, clients of it, and the people and things that tests are about. */
export type Shop = AsyncDisposable & {
  readonly config: Config;
  readonly server: Server;
  /** Of the gRPC door, as http2 URL; of the HTTP door. */
  readonly grpcUrl: string;
  readonly httpUrl: string;
  readonly users: Client<typeof UserService>;
  readonly orders: Client<typeof OrderService>;
  readonly inventory: Client<typeof InventoryService>;
  /** A new user. */
  user(): Promise<User>;
  /** A new product with pieces in stock. */
  product(onHand?: bigint): Promise<Product>;
  /** A new order of a new user over some pieces of products, at 9.99 EUR a piece. */
  order(products: readonly Product[], quantity?: number): Promise<Order>;
};

/** 9.99 EUR. */
export const price = { currencyCode: "EUR", units: 9n, nanos: 990_000_000 };

/** What the tests change of a configuration that is fit for a test. */
export type Overrides = { readonly [K in keyof Config]?: Partial<NonNullable<Config[K]>> };

/** Opens a shop. */
export async function openShop(overrides: Overrides = {}): Promise<Shop> {
  await using opening = new AsyncDisposableStack();
  const { connection, engine } = opening.use(await createTestDatabase());
  const anywhere = { host: "127.0.0.1", port: 0 };
  const config: Config = {
    grpcAddr: anywhere,
    httpAddr: anywhere,
    adminAddr: anywhere,
    database: { kind: "remote", connection, engine },
    tls: undefined,
    auth: undefined,
    logLevel: "silent",
    tracesEndpoint: undefined,
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
      messageBytesMax: 4 * 2 ** 20,
      deadlineMsDefault: 15_000,
      deadlineMsMax: 60_000,
      ...overrides.calls,
    },
    shutdown: { drainMs: 0, graceMs: 5_000, ...overrides.shutdown },
  } as Config;
  const server = opening.use(await startServer(config));
  const grpcUrl = `http://127.0.0.1:${server.grpc.port}`;
  const transport = createGrpcTransport({ baseUrl: grpcUrl });
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
    grpcUrl,
    httpUrl: `http://127.0.0.1:${server.http.port}`,
    users,
    orders,
    inventory,
    user,
    product: async (onHand = 100n) => (await inventory.createProduct({ name: "Lamp", onHand })).product!,
    async order(products, quantity = 1) {
      const { id: userId } = await user();
      const items = products.map(({ id }) => ({ productId: id, quantity, unitPrice: price }));
      return (await orders.createOrder({ userId, items })).order!;
    },
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}
