import type { Service } from "../call.ts";
import type { Database } from "../db/engine/database.ts";
import { mutate } from "../db/engine/mutate.ts";
import { deriveId, fingerprint } from "../db/ids.ts";
import * as db from "../db/products/products.ts";
import type { Batchers } from "../db/batchers.ts";
import { expectOk, expectOne } from "../db/outcome.ts";
import type { Sources } from "../db/sources.ts";
import { notFound, productType } from "../errors.ts";
import type { InventoryService, ProductSchema } from "../gen/commerce/inventory/v1/inventory_service_pb.ts";
import { toPage, toPageSize, type Pages } from "./pages.ts";
import { toEtag } from "../db/etag.ts";
import { parseName, toId, toTime, type WholeMessage } from "./parse.ts";
import { toSource } from "./sources.ts";

/** What the inventory service needs beside the database. */
export type InventoryParts = {
  readonly batchers: Batchers;
  readonly sources: Sources;
  readonly pages: Pages;
};

/** Implements the inventory service. */
export function inventoryService(
  database: Database,
  { batchers, sources, pages }: InventoryParts,
): Service<typeof InventoryService> {
  return {
    async createProduct(request, call) {
      const name = parseName("name", request.name);
      const draft = {
        id: deriveId(call.principal, "CreateProduct", request.requestId),
        fingerprint: fingerprint(name, request.onHand.toString()),
        name,
        onHand: request.onHand,
      };
      const outcomes = await mutate(database, call, db.createProducts, [draft]);
      return { product: toMessage(expectOne(outcomes)) };
    },

    async getProduct(request, call) {
      const id = toId(request.id);
      const product = await toSource(sources, request).getProduct(id, call);
      if (!product) throw notFound(productType, id);
      return { product: toMessage(product) };
    },

    async listProducts(request, call) {
      const scope = ["ListProducts"];
      const size = toPageSize(request.pageSize);
      const products = await db.listProducts(
        toSource(sources, request).run(call, size),
        await pages.parse(request.pageToken, scope),
        size + 1,
      );
      const { entries, nextPageToken } = toPage(products, size, (last) => pages.toToken(last, scope));
      return { products: entries.map(toMessage), nextPageToken };
    },

    async adjustStock(request, call) {
      const productId = toId(request.productId);
      const adjustment = {
        id: deriveId(call.principal, "AdjustStock", request.requestId),
        fingerprint: fingerprint(productId, request.delta.toString()),
        refusalMs: call.refusalMs,
        productId,
        delta: request.delta,
      };
      return { product: toMessage(expectOk(await batchers.adjustStock(adjustment, call))) };
    },
  };
}

function toMessage(product: db.Product): WholeMessage<typeof ProductSchema> {
  return {
    id: product.id,
    name: product.name,
    onHand: product.onHand,
    createTime: toTime(product.createTime),
    updateTime: toTime(product.updateTime),
    etag: toEtag(product.version),
  };
}
