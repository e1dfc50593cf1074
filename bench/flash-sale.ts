import type { Plan } from "./plan.ts";
import { type Result, toResult } from "./results.ts";
import { createProducts } from "./rows.ts";
import type { Measured } from "./slice.ts";
import type { Stage } from "./stage.ts";

const contestants = ["ours", "tutorial"] as const;

/** The tutorial needs minutes to sell the stock; it is measured for as long as it takes to see its pace. */
const tutorialMs = 2_000;
/** Ours sells all of it, however slow the machine. */
const oursMs = 60_000;

/**
 * A flash sale: more and more callers want one piece each of ten products, twice as many as there are. Throws
 * where the service sold other than what there was, or failed a call.
 */
export async function runFlashSale(stage: Stage, plan: Plan): Promise<Result[]> {
  const results: Result[] = [];
  for (const inFlight of plan.crowds) {
    const slices = { ours: [] as Measured[], tutorial: [] as Measured[] };
    for (let n = 0; n < plan.alternations; n++) {
      for (const contestant of contestants)
        slices[contestant].push(await sell(stage, contestant, inFlight, Math.ceil(2_000 * plan.scale)));
    }
    for (const contestant of contestants)
      results.push(
        toResult({ name: "flash-sale", inFlight }, contestant, slices[contestant], { refusals: true }),
      );
  }
  return results;
}

async function sell(
  stage: Stage,
  contestant: (typeof contestants)[number],
  inFlight: number,
  stock: number,
): Promise<Measured> {
  const server = await stage.server(contestant === "ours" ? "service" : "tutorial");
  const productIds = await createProducts(stage, 10, stock / 10);
  const measured = await stage.run({
    work: { method: "CreateOrder", userIds: stage.userIds, productIds, items: 1, quantityMax: 1 },
    target: { kind: "grpc", addresses: [server.grpc] },
    inFlight,
    warmMs: 0,
    measureMs: contestant === "ours" ? oursMs : tutorialMs,
    callsMax: 2 * stock,
    pid: server.pid,
  });
  if (contestant === "ours") await expectSold(stage, productIds, stock, measured);
  return measured;
}

async function expectSold(
  stage: Stage,
  productIds: readonly string[],
  stock: number,
  { acknowledged, refused, failed }: Measured,
): Promise<void> {
  const { rows } = await stage.admin.query<{ left: string; sold: string }>(selectSold, [productIds]);
  const found = { ...rows[0], acknowledged, refused, failed };
  const expected = { left: "0", sold: String(stock), acknowledged: stock, refused: stock, failed: {} };
  if (JSON.stringify(found) !== JSON.stringify(expected))
    throw new Error(`of ${stock} pieces: ${JSON.stringify(found)}`);
}

const selectSold = `
  select (select sum(on_hand) from products where id = any($1::uuid[])) as left,
    (select coalesce(sum(quantity), 0) from order_items where product_id = any($1::uuid[])) as sold`;
