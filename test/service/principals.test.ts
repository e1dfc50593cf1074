import { randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createClient, type Interceptor } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, expect, test } from "vitest";
import { InventoryService } from "../../src/gen/commerce/inventory/v1/inventory_service_pb.ts";
import { OrderService } from "../../src/gen/commerce/order/v1/order_service_pb.ts";
import { UserService } from "../../src/gen/commerce/user/v1/user_service_pb.ts";
import { line, openShop } from "../support/shop.ts";
import { audience, issuer, keys, sign } from "../support/tokens.ts";

const directory = await mkdtemp(path.join(tmpdir(), "commerce-principals-"));
afterAll(() => rm(directory, { recursive: true }));
const keyFile = path.join(directory, "issuer.pem");
await writeFile(keyFile, keys.publicKey.export({ type: "spki", format: "pem" }));
const shop = await openShop({ auth: { issuer, audience, keys: { keyFile } } });
afterAll(() => shop[Symbol.asyncDispose]());

/** The services as somebody sees them who may read and write everything. */
async function clientsOf(sub: string) {
  const scopes = ["users", "orders", "inventory"].flatMap((each) => [`${each}.read`, `${each}.write`]);
  const token = await sign({ sub, scope: scopes.join(" ") });
  const authorize: Interceptor = (next) => (request) => {
    request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
  const transport = createGrpcTransport({ baseUrl: shop.grpcUrl, interceptors: [authorize] });
  return {
    users: createClient(UserService, transport),
    orders: createClient(OrderService, transport),
    inventory: createClient(InventoryService, transport),
  };
}

const [ada, eve] = [await clientsOf("ada"), await clientsOf("eve")];

test("one request_id of two principals stands for two calls", async () => {
  const requestId = randomUUID();
  const grace = { email: "grace@example.com", name: "Grace", password: "correct horse" };
  const { user } = await ada.users.createUser(grace);
  const { product } = await ada.inventory.createProduct({ name: "Lamp", onHand: 10n });
  const request = { userId: user!.id, items: [line(product!)], requestId };

  const first = await ada.orders.createOrder(request);
  const second = await eve.orders.createOrder(request);
  const again = [await ada.orders.createOrder(request), await eve.orders.createOrder(request)];

  expect(first.order!.id).not.toBe(second.order!.id);
  expect(again).toEqual([first, second]);
  expect((await ada.inventory.getProduct({ id: product!.id })).product!.onHand).toBe(8n);
});

test("a request_id that one principal has used is free for another request of another one", async () => {
  const requestId = randomUUID();
  await ada.inventory.createProduct({ name: "Lamp", requestId });

  const { product } = await eve.inventory.createProduct({ name: "Chair", requestId });

  expect(product).toMatchObject({ name: "Chair", onHand: 0n });
});
