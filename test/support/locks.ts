import pg from "pg";
import { toClientConfig } from "../../src/db/engine/connection.ts";
import type { Product } from "../../src/gen/commerce/inventory/v1/inventory_service_pb.ts";
import type { Shop } from "./shop.ts";

/** Holds a product's row, so that calls which change its stock wait until disposal or until they are cut. */
export function holdProduct(shop: Shop, { id }: Pick<Product, "id">): Promise<AsyncDisposable> {
  return hold(shop, "products", id);
}

/** Holds an order's row in the same way. */
export function holdOrder(shop: Shop, id: string): Promise<AsyncDisposable> {
  return hold(shop, "orders", id);
}

async function hold(shop: Shop, table: "products" | "orders", id: string): Promise<AsyncDisposable> {
  const client = new pg.Client(toClientConfig(shop.connection));
  client.on("error", () => {});
  await client.connect();
  await client.query("begin");
  await client.query(`select id from ${table} where id = $1 for update`, [id]);
  return {
    async [Symbol.asyncDispose]() {
      await client.end();
    },
  };
}
