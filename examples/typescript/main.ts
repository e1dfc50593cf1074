// Buys from a running commerce-core, as another service would. Its argument is the address of the gRPC port.
// It exits with 1 if anything comes out otherwise than told.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import {
  type CommerceClient,
  CommerceError,
  createCommerceClient,
  type FactsByReason,
  OrderStatus,
} from "commerce-core-client/grpc";

await main(process.argv[2] ?? "127.0.0.1:50051");

async function main(address: string): Promise<void> {
  // No TLS and no token: the service asks for them beyond loopback. The client repeats what was not answered:
  // that is safe, because it gives each mutation a requestId.
  using client = createCommerceClient({ baseUrl: `http://${address}` });

  const userId = await createUser(client);
  const lamp = await createProduct(client, "Lamp", 5n);
  await cancelOrder(client, await placeOrders(client, userId, lamp));
  const poster = await createProduct(client, "Poster", 3_000n);
  await importOrders(client, userId, poster, 3_000);
  const { product } = await client.inventory.getProduct({ id: poster });
  assert.equal(product?.onHand, 0n, "each poster is sold once");
  await readPages(client, userId, 3_002);
}

/** Sends one request twice, as after an answer that was lost. */
async function createUser({ users }: CommerceClient): Promise<string> {
  const requestId = randomUUID();
  const request = { email: `${requestId}@example.com`, name: "Ada", password: "correct horse", requestId };
  const { user } = await users.createUser(request);
  const { user: again } = await users.createUser(request);
  assert.ok(user);
  assert.equal(again?.id, user.id, "there is one user");
  console.log(`user     ${user.id}, created once by two calls`);
  return user.id;
}

async function createProduct({ inventory }: CommerceClient, name: string, onHand: bigint): Promise<string> {
  const { product } = await inventory.createProduct({ name, onHand });
  assert.ok(product);
  console.log(`product  ${product.id}, ${name}, ${onHand} in stock`);
  return product.id;
}

/** Orders 2 of 5 pieces and returns that order; then 9, and what is left of them. */
async function placeOrders({ orders }: CommerceClient, userId: string, productId: string): Promise<string> {
  const { order } = await orders.createOrder({ userId, items: items(productId, 2) });
  assert.ok(order);
  console.log(`order    ${order.id}, 2 pieces for ${order.total?.units} EUR`);

  const { onHand, requested } = await refused(
    "INSUFFICIENT_STOCK",
    orders.createOrder({ userId, items: items(productId, 9) }),
  );
  assert.deepEqual([onHand, requested], ["3", "9"]);
  await orders.createOrder({ userId, items: items(productId, Number(onHand)) });
  console.log(`stock    ${requested} asked for, ${onHand} there: ordered those`);
  return order.id;
}

/** Meets a change by somebody else, reads again, and decides anew. */
async function cancelOrder({ orders }: CommerceClient, id: string): Promise<void> {
  const { order: read } = await orders.getOrder({ id });
  assert.ok(read);
  await orders.updateOrderStatus({ id, status: OrderStatus.CONFIRMED }); // The change by somebody else.

  const cancelled = { id, status: OrderStatus.CANCELLED };
  await refused("ETAG_MISMATCH", orders.updateOrderStatus({ ...cancelled, etag: read.etag }));
  const { order: now } = await orders.getOrder({ id });
  assert.equal(now?.status, OrderStatus.CONFIRMED);
  await orders.updateOrderStatus({ ...cancelled, etag: now.etag });
  console.log(`etag     ${read.etag} was stale: read ${now.etag}, cancelled that`);
}

/**
 * Leaves an import after its first answer, and goes on behind the last row that was answered. Cuts that the
 * process survives are resumed by the client itself.
 */
async function importOrders(
  { orders }: CommerceClient,
  userId: string,
  productId: string,
  count: number,
): Promise<void> {
  const drafts = Array.from({ length: count }, () => ({ userId, items: items(productId, 1) }));
  const requestId = randomUUID();
  let done = 0;
  for (let attempt = 1; attempt <= 2; attempt++) {
    let existing = 0;
    const request = { orders: drafts.slice(done), firstIndex: BigInt(done), requestId };
    for await (const { chunk } of orders.importOrders(request)) {
      assert.deepEqual(chunk?.refused, []);
      done = Number(chunk.lastIndex) + 1;
      existing += chunk.existingCount;
      if (attempt === 1) break; // As if the process ended.
    }
    console.log(`import   attempt ${attempt}: ${done} of ${count} rows answered, ${existing} were there`);
  }
  assert.equal(done, count);
}

/** Reads all orders of a user, page by page. */
async function readPages({ orders }: CommerceClient, userId: string, count: number): Promise<void> {
  const ids = new Set<string>();
  for await (const { id } of orders.list({ userId, pageSize: 1_000 })) ids.add(id);
  assert.equal(ids.size, count);
  console.log(`pages    read as one list of ${ids.size} orders`);
}

function items(productId: string, quantity: number) {
  return [{ productId, quantity, unitPrice: { currencyCode: "EUR", units: 20n } }];
}

/** The facts of a call that is refused for a reason. */
async function refused<R extends keyof FactsByReason>(
  reason: R,
  call: Promise<unknown>,
): Promise<FactsByReason[R]> {
  try {
    await call;
  } catch (error) {
    if (error instanceof CommerceError && error.reason === reason) return error.facts as FactsByReason[R];
    throw error;
  }
  throw new Error(`expected ${reason}`);
}
