import { randomUUID } from "node:crypto";
import { afterAll, expect, test } from "vitest";
import type { Product } from "../../src/gen/commerce/inventory/v1/inventory_service_pb.ts";
import { failure } from "../support/errors.ts";
import { openShop } from "../support/shop.ts";

const shop = await openShop();
afterAll(() => shop[Symbol.asyncDispose]());

const onHandMax = 1_000_000_000_000n;

async function adjust(productId: string, delta: bigint, requestId = ""): Promise<Product> {
  return (await shop.inventory.adjustStock({ productId, delta, requestId })).product!;
}

async function get(id: string): Promise<Product> {
  return (await shop.inventory.getProduct({ id })).product!;
}

test("CreateProduct returns what GetProduct returns", async () => {
  const { product } = await shop.inventory.createProduct({ name: "Lampe “Ærø” 🪔", onHand: onHandMax });

  expect(product).toMatchObject({ name: "Lampe “Ærø” 🪔", onHand: onHandMax, etag: '"1"' });
  expect(product!.updateTime).toEqual(product!.createTime);
  expect(await get(product!.id.toUpperCase())).toEqual(product);
});

test("CreateProduct without on_hand makes a product that is not in stock", async () => {
  const { product } = await shop.inventory.createProduct({ name: "Lamp" });

  expect(product!.onHand).toBe(0n);
});

test("CreateProduct repeated with its request_id returns the product as it is now", async () => {
  const request = { name: "Lamp", onHand: 5n, requestId: randomUUID() };
  const { product } = await shop.inventory.createProduct(request);
  const adjusted = await adjust(product!.id, 1n);
  const before = await shop.stored();

  const repeated = await shop.inventory.createProduct({
    ...request,
    requestId: request.requestId.toUpperCase(),
  });

  expect(repeated.product).toEqual(adjusted);
  expect(await shop.stored()).toEqual(before);
});

test.each([
  ["name", { name: "Desk" }],
  ["stock", { onHand: 6n }],
] as const)(
  "CreateProduct fails with INVALID_ARGUMENT for another %s under a used request_id and stores nothing",
  async (_, change) => {
    const request = { name: "Lamp", onHand: 5n, requestId: randomUUID() };
    await shop.inventory.createProduct(request);
    const before = await shop.stored();

    const failed = await failure(shop.inventory.createProduct({ ...request, ...change }));

    expect(failed).toEqual({ code: "InvalidArgument", reason: "REQUEST_ID_REUSED", fields: ["request_id"] });
    expect(await shop.stored()).toEqual(before);
  },
);

test("CreateProduct called 20 times at once with one request_id makes one product", async () => {
  const request = { name: "Lamp", onHand: 5n, requestId: randomUUID() };

  const answers = await Promise.all(Array.from({ length: 20 }, () => shop.inventory.createProduct(request)));

  expect(answers).toEqual(Array.from({ length: 20 }, () => answers[0]));
});

test("AdjustStock adds to the stock and takes from it", async () => {
  const lamp = await shop.product(5n);

  const added = await adjust(lamp.id.toUpperCase(), 7n);
  const taken = await adjust(lamp.id, -12n);

  expect(added).toMatchObject({ ...lamp, onHand: 12n, etag: '"2"', updateTime: added.updateTime });
  expect(taken).toMatchObject({ onHand: 0n, etag: '"3"' });
  expect(await get(lamp.id)).toEqual(taken);
});

test.each([
  ["below zero", 5n, -6n, "INSUFFICIENT_STOCK", { requested: "6", shortages: "5:6" }],
  ["above 1,000,000,000,000", onHandMax, 1n, "STOCK_LIMIT", {}],
] as const)(
  "AdjustStock fails with FAILED_PRECONDITION %s and changes nothing",
  async (_, onHand, delta, reason, { shortages, ...more }: { readonly shortages?: string }) => {
    const { id } = await shop.product(onHand);
    const before = await shop.stored();

    const failed = await failure(adjust(id, delta));

    expect(failed).toEqual({
      code: "FailedPrecondition",
      reason,
      subjects: [`commerce.inventory.v1.Product/${id}`],
      metadata: {
        product_id: id,
        on_hand: onHand.toString(),
        ...more,
        ...(shortages && { shortages: `${id}:${shortages}` }),
      },
    });
    expect(await shop.stored()).toEqual(before);
  },
);

test("AdjustStock repeated with its request_id returns the product as it is now", async () => {
  const { id } = await shop.product(5n);
  const requestId = randomUUID();
  await adjust(id, -5n, requestId);
  const refilled = await adjust(id, 2n);

  const repeated = await adjust(id, -5n, requestId);

  expect(repeated).toEqual(refilled);
});

test("AdjustStock fails with INVALID_ARGUMENT for another change under a used request_id", async () => {
  const [lamp, desk] = [await shop.product(), await shop.product()];
  const requestId = randomUUID();
  await adjust(lamp.id, 1n, requestId);
  const before = await shop.stored();

  const answers = [
    await failure(adjust(desk.id, 1n, requestId)),
    await failure(adjust(lamp.id, 2n, requestId)),
  ];

  const reused = { code: "InvalidArgument", reason: "REQUEST_ID_REUSED", fields: ["request_id"] };
  expect(answers).toEqual([reused, reused]);
  expect(await shop.stored()).toEqual(before);
});

test("AdjustStock called 20 times at once with one request_id happens once", async () => {
  const { id } = await shop.product(5n);
  const requestId = randomUUID();

  const products = await Promise.all(Array.from({ length: 20 }, () => adjust(id, -5n, requestId)));

  expect(products).toEqual(Array.from({ length: 20 }, () => products[0]));
  expect(products[0]).toMatchObject({ onHand: 0n, etag: '"2"' });
});

test("AdjustStock called by many at once adds up", async () => {
  const { id } = await shop.product(1_000n);
  const deltas = Array.from({ length: 40 }, (_, n) => BigInt(n % 2 ? n : -n) * 2n + 1n);

  await Promise.all(deltas.map((delta) => adjust(id, delta)));

  const sum = deltas.reduce((total, delta) => total + delta, 1_000n);
  expect(await get(id)).toMatchObject({ onHand: sum });
});

test("AdjustStock called by many at once takes all that is there and no more", async () => {
  const { id } = await shop.product(50n);

  const answers = await Promise.allSettled(Array.from({ length: 20 }, () => adjust(id, -4n)));

  const failures = answers.flatMap((answer) =>
    answer.status === "rejected" ? [answer.reason as Error] : [],
  );
  expect(failures).toHaveLength(8);
  for (const error of failures)
    expect(await failure(Promise.reject(error))).toMatchObject({ reason: "INSUFFICIENT_STOCK" });
  expect((await get(id)).onHand).toBe(2n);
});

test("ListProducts returns products newest first, as they are now", async () => {
  const [lamp, desk] = [await shop.product(), await shop.product()];
  const adjusted = await adjust(lamp.id, 1n);

  const { products } = await shop.inventory.listProducts({ pageSize: 2 });

  expect(products).toEqual([desk, adjusted]);
});
