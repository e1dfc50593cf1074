import { randomUUID } from "node:crypto";
import type { OrderDraft } from "../db/orders/order-drafts.ts";
import { e4Max } from "../db/engine/pg-types.ts";
import { fingerprint } from "../db/ids.ts";
import { invalid } from "../errors.ts";
import { type CreateOrderRequest, StockPolicy } from "../gen/commerce/order/v1/order_service_pb.ts";
import { parseMoney, toId } from "./parse.ts";

/** Parses an order to place and computes its total. */
export function parseDraft(
  request: Pick<CreateOrderRequest, "userId" | "items" | "stockPolicy">,
  { id, refusalMs }: Pick<OrderDraft, "id" | "refusalMs">,
): OrderDraft {
  const userId = toId(request.userId);
  const reservesStock = request.stockPolicy !== StockPolicy.NONE;
  let currencyCode = "";
  let total = 0n;
  const items = request.items.map((item, n) => {
    const field = `items[${n}].unit_price`;
    const price = parseMoney(field, item.unitPrice!);
    currencyCode ||= price.currencyCode;
    if (price.currencyCode !== currencyCode)
      throw invalid(
        `${field}.currency_code`,
        `must be ${currencyCode}, as in earlier items: an order has one currency`,
      );
    total += BigInt(item.quantity) * price.amount;
    return {
      id: randomUUID(),
      productId: toId(item.productId),
      quantity: item.quantity,
      unitPrice: price.amount,
    };
  });
  if (total > e4Max) throw invalid("items", "the total must be below 10^15");
  const lines = items.map((item) => [item.productId, item.quantity, item.unitPrice.toString()]);
  const print = fingerprint(userId, currencyCode, reservesStock, ...lines);
  return { id, fingerprint: print, refusalMs, userId, currencyCode, total, reservesStock, items };
}
