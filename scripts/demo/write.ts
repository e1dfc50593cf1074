import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { finished } from "node:stream/promises";
import { create, toJsonString } from "@bufbuild/protobuf";
import { type CommerceClient, OrderDraftSchema } from "../../client/src/index.ts";
import { toMoney } from "./money.ts";
import { planDemo, type Size } from "./plan.ts";
import { createProducts, createUsers, expectGiven, type Each } from "./shop.ts";

/**
 * Creates the users and products of the demonstration and writes its orders to a file for `npm run import`,
 * one line of JSON each. Some products are scarce, so that a few orders will be refused.
 */
export async function writeOrders(shop: CommerceClient, size: Size, each: Each, file: string): Promise<void> {
  const plan = planDemo(size);
  const userIds = await createUsers(shop, each, size.users);
  const products = await createProducts(shop, each, plan.products);
  const output = createWriteStream(file);
  for (const { user, lines } of plan.orders) {
    const items = lines.map(({ product, quantity }) => ({
      productId: expectGiven(products[product]).id,
      quantity,
      unitPrice: toMoney(expectGiven(plan.products[product]).priceNanos),
    }));
    const draft = create(OrderDraftSchema, { userId: expectGiven(userIds[user]), items });
    if (!output.write(`${toJsonString(OrderDraftSchema, draft)}\n`)) await once(output, "drain");
  }
  output.end();
  await finished(output);
}
