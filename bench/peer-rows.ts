import type { DescMethodUnary } from "@bufbuild/protobuf";
import { kindOf, runRow } from "./measure.ts";
import { PeerError, type PeerName } from "./peers.ts";
import type { Plan } from "./plan.ts";
import type { Result } from "./results.ts";
import type { Contestant, Row } from "./rows.ts";
import { OrderService, UserService } from "./service/contract.ts";
import { createShop, type Shop, UnservedError } from "./shop.ts";
import type { Work } from "./slice.ts";
import type { Stage } from "./stage.ts";

/** Who is measured here: the service, and the peers. */
type Rival = "ours" | PeerName;

/** A row that can be driven from outside. */
export type PeerRow = Row & {
  /** Makes what the row needs at a server. Throws an UnservedError for a method that it does not have. */
  readonly prepare: (stage: Stage, rival: Contestant, scale: number) => Promise<void>;
};

/** Most of what a fast server changes in a slice, which ends when all of them are delivered. */
const toChangeMax = 4_000;

const { createOrder, listOrders, updateOrderStatus } = OrderService.method;

/** What differs between the rows. */
type Recipe = Pick<Row, "name" | "title" | "inFlight"> & {
  readonly method: DescMethodUnary;
  readonly fill: (shop: Shop) => Promise<unknown>;
  readonly work: (shop: Shop, scale: number, callers: number) => Promise<Work>;
};

/** The rows for servers of which nothing is known but the contract: all that they call with is made there. */
export function listPeerRows(callers?: number): PeerRow[] {
  const shops = new Map<string, Promise<Shop>>();
  const shopOf = (stage: Stage, rival: Contestant, scale: number): Promise<Shop> => {
    const open = async () => createShop(rival, (await stage.server(kindOf(rival))).grpc, scale);
    const shop = shops.get(rival) ?? open();
    shops.set(rival, shop);
    return shop;
  };
  return recipes.map(({ name, title, inFlight: usual, method, fill, work }) => {
    const inFlight = callers ?? usual;
    return {
      name,
      title,
      inFlight,
      contestants: ["ours"],
      async prepare(stage, rival, scale) {
        const shop = await shopOf(stage, rival, scale);
        await shop.expectServed(method);
        await fill(shop);
      },
      work: async (stage, rival, scale) => work(await shopOf(stage, rival, scale), scale, inFlight),
    };
  });
}

const recipes: readonly Recipe[] = [
  {
    name: "get-user",
    title: "GetUser",
    inFlight: 64,
    method: UserService.method.getUser,
    fill: (shop) => shop.userIds(),
    work: async (shop) => ({ method: "GetUser", userIds: await shop.userIds() }),
  },
  toOrderRecipe("create-order", "CreateOrder, 3 items of 2,000 products", "many"),
  toOrderRecipe("create-order-hot", "CreateOrder, 3 items of 10 products", "few"),
  {
    name: "update-order-status",
    title: "UpdateOrderStatus",
    inFlight: 64,
    method: updateOrderStatus,
    fill: (shop) => shop.createOrders(1),
    async work(shop, scale, callers) {
      const count = Math.min(toChangeMax, 1_000 + 100 * callers);
      return { method: "UpdateOrderStatus", orderIds: await shop.createOrders(Math.ceil(count * scale)) };
    },
  },
  {
    name: "list-orders",
    title: "ListOrders, pages of 50 from the middle of the list",
    inFlight: 16,
    method: listOrders,
    fill: (shop) => shop.fill(),
    work: async (shop) => ({ method: "ListOrders", pageSize: 50, pages: await shop.pages(50) }),
  },
  {
    name: "list-user-orders",
    title: "ListOrders of one user, the first 20",
    inFlight: 16,
    method: listOrders,
    fill: (shop) => shop.fill(),
    work: async (shop) => ({ method: "ListOrdersOfUser", pageSize: 20, userIds: await shop.userIds() }),
  },
];

function toOrderRecipe(name: string, title: string, kind: "many" | "few"): Recipe {
  return {
    name,
    title,
    inFlight: 64,
    method: createOrder,
    fill: async (shop) => [await shop.userIds(), await shop.productIds(kind)],
    async work(shop) {
      const [userIds, productIds] = [await shop.userIds(), await shop.productIds(kind)];
      return { method: "CreateOrder", userIds, productIds, items: 3, quantityMax: 5 };
    },
  };
}

/** Measures the service and the peers in a row, in turn; a peer without the row's methods is left out. */
export async function runPeerRow(
  stage: Stage,
  row: PeerRow,
  plan: Plan,
  peers: readonly PeerName[],
): Promise<Result[]> {
  const rivals: Rival[] = [];
  for (const rival of ["ours", ...peers] as const) {
    try {
      await row.prepare(stage, rival, plan.scale);
      rivals.push(rival);
    } catch (error) {
      if (!(error instanceof UnservedError)) throw error;
      console.log(`  ${rival} does not serve ${error.message}, and is left out of this row`);
    }
  }
  if (rivals.length < 2) return [];
  return runRow(stage, row, plan, rivals).catch((error: Error) => {
    throw new PeerError(`${row.name} cannot be measured: ${error.message}`);
  });
}
