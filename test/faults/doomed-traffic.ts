import type { Answer } from "./calls.ts";
import type { Mutation } from "./history.ts";
import type { Random } from "./random.ts";
import type { Content } from "./traffic.ts";

/** Who is deleted, so that the others leave them and their orders alone, and what they order. */
type Shop = { readonly doomed: Set<string>; readonly products: readonly string[] };

/** By what the user and the orders can be told from all others. */
type Marker = { readonly name: string; readonly unitPrice: () => number };

/** Orders at once, beside the deletion. */
const placedMax = 3;

/** Creates a user and deletes it, with force or without, while orders are placed for it and cancelled. */
export async function doom(
  mutate: (content: Content<Mutation>) => Promise<Answer>,
  chance: Random,
  { name, unitPrice }: Marker,
  { doomed, products }: Shop,
): Promise<void> {
  const email = `${name.replace(" ", "-")}@example.com`;
  const { outcome } = await mutate({ method: "CreateUser", email, name });
  if (outcome.kind !== "ok") return;
  const userId = outcome.users[0]!.id;
  doomed.add(userId);
  const place = (): Promise<Answer> => {
    const line = { productId: chance.pick(products), quantity: chance.between(1, 2), unitPrice: unitPrice() };
    return mutate({ method: "CreateOrder", userId, lines: [line], reserves: true });
  };
  const before = chance.chance(0.5) ? (await place()).outcome : undefined;
  const placed = before?.kind === "ok" ? before.orders[0] : undefined;
  const others = Array.from({ length: chance.between(1, placedMax) }, place);
  await Promise.all([
    ...others,
    mutate({ method: "DeleteUser", id: userId, force: chance.chance(0.5) }),
    ...(placed ? [mutate(cancel(placed.id))] : []),
  ]);
}

function cancel(id: string): Content<Mutation> {
  return { method: "UpdateOrderStatus", changes: [{ id, status: "cancelled", etag: "" }] };
}
