import { expect, inject, test } from "vitest";
import { allTexts } from "../../src/db/engine/statement.ts";
import { once, startProxy } from "../support/proxy.ts";
import { openShop } from "../support/shop.ts";
import { heldUp } from "../support/wishes.ts";

// A late batch is stopped and its calls are sent one by one, before it is known what has become of it.
test
  .skipIf(inject("engine").engine !== "postgresql")
  .each(["CreateOrder", "AdjustStock", "UpdateOrderStatus"] as const)(
  "%s without a request_id that is refused does not happen by its late batch",
  async (name) => {
    await using shop = await openShop({}, { through: startProxy });
    const { statement, reason, make } = heldUp[name];
    const wish = await make(shop, shop, "");
    const [arrives, over] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const stall = { kind: "stall", until: arrives.promise, hasLeft: true, over: over.resolve } as const;
    const first = once(statement, stall);
    const end = allTexts("postgresql").get("session.end");
    shop.proxy.decide = (exchange) =>
      first(exchange) ?? (exchange.statement === end ? { kind: "cut_before" } : undefined);

    const answer = await wish.askBeside(shop);
    await wish.permit();
    arrives.resolve();
    await over.promise;

    const hasHappened = await wish.hasHappened();
    expect({ answer, hasHappened }).toEqual({ answer: reason, hasHappened: false });
  },
);
