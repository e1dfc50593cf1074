import type { Answer } from "./calls.ts";
import type { Import, Line, Mutation } from "./history.ts";
import { importOf } from "./import-traffic.ts";
import type { Random } from "./random.ts";
import type { Content } from "./traffic.ts";

/** Calls of one client that are made at once, at whichever replicas. */
export type Races = {
  /** Creates a user and deletes it, with force or without, while orders are placed for it and cancelled. */
  doom(chance: Random): Promise<void>;
  /** Places an order, and adds items to it while it is cancelled or moved on. */
  grow(chance: Random): Promise<void>;
};

/** What races are made of. */
export type Shop = {
  readonly mutate: (content: Content<Mutation>) => Promise<Answer>;
  readonly importRows: (request: Import) => Promise<Answer>;
  readonly users: readonly string[];
  /** Products of which there is something. */
  readonly products: readonly string[];
  /** Who is deleted, so that the others leave them and their orders alone. */
  readonly doomed: Set<string>;
  /** A number that is asked for once. */
  readonly unique: () => number;
};

/** Calls at once, beside the one that they race. */
const besideMax = 3;

export function createRaces({ mutate, importRows, users, products, doomed, unique }: Shop): Races {
  const toLine = (chance: Random): Line => ({
    productId: chance.pick(products),
    quantity: chance.between(1, 2),
    unitPrice: unique() * 101,
  });
  const place = (chance: Random, userId: string): Promise<Answer> =>
    mutate({ method: "CreateOrder", userId, lines: [toLine(chance)], reserves: true });
  const move = (id: string, status: "confirmed" | "cancelled"): Promise<Answer> =>
    mutate({ method: "UpdateOrderStatus", changes: [{ id, status, etag: "" }] });
  const some = (chance: Random, call: () => Promise<Answer>): Promise<Answer>[] =>
    Array.from({ length: chance.between(1, besideMax) }, call);

  return {
    async doom(chance) {
      const number = unique();
      const [name, email] = [`doomed ${number}`, `doomed-${number}@example.com`];
      const { outcome } = await mutate({ method: "CreateUser", email, name });
      if (outcome.kind !== "ok") return;
      const id = outcome.users[0]!.id;
      doomed.add(id);
      const placed = chance.chance(0.5) ? toOrder(await place(chance, id)) : undefined;
      await Promise.all([
        ...some(chance, () => place(chance, id)),
        mutate({ method: "DeleteUser", id, force: chance.chance(0.5) }),
        ...(placed === undefined ? [] : [move(placed, "cancelled")]),
      ]);
    },
    async grow(chance) {
      const id = toOrder(await place(chance, chance.pick(users)));
      if (id === undefined) return;
      await Promise.all([
        ...some(chance, () => importRows(importOf([{ orderId: id, line: toLine(chance) }]))),
        ...some(chance, () => move(id, chance.chance(0.7) ? "cancelled" : "confirmed")),
      ]);
    },
  };
}

function toOrder({ outcome }: Answer): string | undefined {
  return outcome.kind === "ok" ? outcome.orders[0]!.id : undefined;
}
