import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { PeerName } from "./peers.ts";
import { OrderService } from "./service/contract.ts";
import type { Page, Work } from "./slice.ts";
import type { Stage } from "./stage.ts";

/**
 * Who is measured: the service on its gRPC port; the tutorial's statements behind the same listener; the
 * service on its Connect port; its statements without it; its GetUser without a database; a GetUser that
 * always answers the same, by grpc-js and by http2 alone; the service with CALL_COALESCE=false; the service
 * of another checkout; a peer, in rows of its own (`peer-rows.ts`).
 */
export type Contestant =
  | "ours"
  | "tutorial"
  | "connect"
  | "engine"
  | "memory"
  | "grpc-js"
  | "http2"
  | "without batchers"
  | "other checkout"
  | PeerName;

/** A line of the table. */
export type Row = {
  readonly name: string;
  readonly title: string;
  readonly inFlight: number;
  readonly contestants: readonly Contestant[];
  /** Has a client that can be told from others by `--switches` only. */
  readonly switchable?: boolean;
  /** Where calls are large: their number in a slice, and the rows of each, which are what is counted. */
  readonly bulk?: { readonly calls: number; readonly rows: number };
  /** Longer slices, where the slowest contestant answers a call or two a second. */
  readonly stretch?: number;
  /** Added to each round trip to the database. */
  readonly delayMs?: number;
  /** What the next slice calls; `scale` is 1 for the whole bench and less for a quick one. */
  readonly work: (stage: Stage, contestant: Contestant, scale: number) => Promise<Work>;
};

const all = ["ours", "tutorial", "connect", "engine"] as const;

/** Enough that stock never ends, whatever is sold. */
const plenty = 100_000_000_000;

/** The rows that are measured in slices of time. */
export function listRows(): Row[] {
  const many = createShelf(2_000);
  const few = createShelf(10);
  const buyers = createBuyers();
  return [
    {
      name: "get-user",
      title: "GetUser",
      inFlight: 64,
      contestants: [...all, "memory", "grpc-js", "http2"],
      switchable: true,
      work: async ({ userIds }) => ({ method: "GetUser", userIds }),
    },
    toOrderRow("create-order", "CreateOrder, 3 items of 2,000 products", many),
    { ...toOrderRow("create-order-hot", "CreateOrder, 3 items of 10 products", few), stretch: 2 },
    ...[0, 2, 10].map((delayMs) => toLatencyRow(delayMs, many)),
    {
      name: "update-order-status",
      title: "UpdateOrderStatus",
      inFlight: 64,
      contestants: all,
      switchable: true,
      work: async (stage, _, scale) => ({
        method: "UpdateOrderStatus",
        orderIds: await createPendingOrders(stage, Math.ceil(10_000 * scale)),
      }),
    },
    {
      name: "list-orders",
      title: "ListOrders, pages of 50 from the middle of the first 100,000 orders",
      inFlight: 16,
      contestants: all,
      work: createDeepPages(),
    },
    {
      name: "list-user-orders",
      title: "ListOrders of one user, the first 20 of 30",
      inFlight: 16,
      contestants: ["ours", "connect", "engine"],
      work: async (stage) => ({ method: "ListOrdersOfUser", pageSize: 20, userIds: await buyers(stage) }),
    },
    toImportRow("import-orders", 5_000, async (stage, rows) => ({
      method: "ImportOrders",
      userIds: stage.userIds,
      productIds: await many(stage),
      rows,
    })),
    toImportRow("import-order-items", 10_000, async (stage, rows) => ({
      method: "ImportOrderItems",
      orderIds: await createPendingOrders(stage, rows / 5),
      productIds: await many(stage),
      rows,
    })),
  ];
}

type Shelf = (stage: Stage) => Promise<string[]>;

function toOrderRow(name: string, title: string, shelf: Shelf): Row {
  const work: Row["work"] = async (stage) => toOrders(stage, await shelf(stage), 3);
  return { name, title, inFlight: 64, contestants: all, switchable: true, work };
}

function toLatencyRow(delayMs: number, shelf: Shelf): Row {
  return {
    name: `order-latency-${delayMs}`,
    title: `CreateOrder, 10 items, database ${delayMs} ms away`,
    inFlight: 1,
    contestants: ["ours", "tutorial"],
    delayMs,
    work: async (stage) => toOrders(stage, await shelf(stage), 10),
  };
}

function toImportRow(name: string, rows: number, work: (stage: Stage, rows: number) => Promise<Work>): Row {
  const title = `${name}, ${rows} rows a call, and COPY of the same rows into the same tables`;
  return {
    name,
    title,
    inFlight: 1,
    contestants: ["ours", "engine"],
    bulk: { calls: 2, rows },
    work: (stage) => work(stage, rows),
  };
}

/** New products with this much of each. */
export async function createProducts(stage: Stage, count: number, onHand: number): Promise<string[]> {
  const { rows } = await stage.admin.query<{ id: string }>(insertProducts, [count, onHand]);
  return rows.map(({ id }) => id);
}

const insertProducts = `
  insert into products (id, name, on_hand, fingerprint)
  select gen_random_uuid(), 'Bench ' || n, $2::int8, gen_random_uuid() from generate_series(1, $1::int4) n
  returning id`;

/** Products that are made for the first slice that asks, and that all others share. */
function createShelf(count: number): Shelf {
  let products: Promise<string[]> | undefined;
  return (stage) => (products ??= createProducts(stage, count, plenty));
}

function toOrders(stage: Stage, productIds: readonly string[], items: number): Work {
  return { method: "CreateOrder", userIds: stage.userIds, productIds, items, quantityMax: 5 };
}

/** Users who have bought more than the others of the tables: each has 20 orders besides. */
function createBuyers(): (stage: Stage) => Promise<readonly string[]> {
  let made: Promise<readonly string[]> | undefined;
  return (stage) => {
    const userIds = stage.userIds.slice(0, 100);
    return (made ??= createPendingOrders(stage, userIds.length * 20, userIds).then(() => userIds));
  };
}

async function createPendingOrders(
  { admin, userIds }: Stage,
  count: number,
  owners = userIds,
): Promise<string[]> {
  const { rows } = await admin.query<{ id: string }>(insertOrders, [count, owners]);
  return rows.map(({ id }) => id);
}

const insertOrders = `
  with o as (
    insert into orders (id, user_id, status, currency_code, total, item_count, reserves_stock, fingerprint)
    select gen_random_uuid(), ($2::uuid[])[1 + n % cardinality($2::uuid[])], 'pending', 'EUR', 0, 0, false,
      gen_random_uuid()
    from generate_series(1, $1::int4) n
    returning id
  ),
  e as (insert into order_events (order_id, version, status) select id, 1, 'pending' from o)
  select id from o`;

/** More would take minutes on large tables. */
const walkMax = 100_000;

/** Walks to the middle of the list, or of its first orders, once and remembers pages from there on. */
function createDeepPages(): Row["work"] {
  let walked: Promise<readonly (Page & { readonly offset: number })[]> | undefined;
  return async (stage, contestant) => {
    walked ??= walk(stage);
    const pages = (await walked).map((page) =>
      contestant === "tutorial" ? { ...page, token: String(page.offset) } : page,
    );
    return { method: "ListOrders", pageSize: 50, pages };
  };
}

async function walk(stage: Stage): Promise<(Page & { readonly offset: number })[]> {
  const { grpc } = await stage.server("service");
  const orders = createClient(OrderService, createGrpcTransport({ baseUrl: `http://${grpc}` }));
  const pages = [];
  let pageToken = "";
  for (let offset = 0; offset < walkMax;) {
    const page = await orders.listOrders({ pageSize: 1_000, pageToken });
    const last = page.orders.at(-1);
    pageToken = page.nextPageToken;
    offset += page.orders.length;
    if (last === undefined || pageToken === "") break;
    const createTime = new Date(timestampMs(last.createTime!)).toISOString();
    pages.push({ token: pageToken, createTime, id: last.id, offset });
  }
  return pages.slice(Math.floor(pages.length / 2));
}
