import { create, fromBinary, toBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import * as grpc from "@grpc/grpc-js";
import {
  OrderService,
  StockPolicy,
  type CommittedChunk,
  type ImportOrdersRequestSchema,
  type OrderDraftSchema,
  type ImportOrdersResponse,
  type IngestOrdersRequestSchema,
  type IngestOrdersResponse,
} from "../../src/gen/commerce/order/v1/order_service_pb.ts";
import type { Product } from "../../src/gen/commerce/inventory/v1/inventory_service_pb.ts";
import type { Status } from "../../src/gen/google/rpc/status_pb.ts";
import { execute } from "./databases.ts";
import { type Failure, toFailure } from "./errors.ts";
import { line, type Shop } from "./shop.ts";

export type Draft = MessageInitShape<typeof OrderDraftSchema>;

/** Orders of one piece of a product each. */
export function drafts(userId: string, product: Pick<Product, "id">, count: number): Draft[] {
  return Array.from({ length: count }, () => ({ userId, items: [line(product)] }));
}

/** Reads a stream to its end, or until `enough`, and returns what was answered and what it failed with. */
export async function readAll<T>(
  answers: AsyncIterable<T>,
  enough: (read: readonly T[]) => boolean = () => false,
): Promise<{ readonly read: T[]; readonly error: unknown }> {
  const read: T[] = [];
  try {
    for await (const answer of answers) {
      read.push(answer);
      if (enough(read)) break;
    }
    return { read, error: undefined };
  } catch (error) {
    return { read, error };
  }
}

/** Reads a stream to its end and counts its answers; fails as the stream does. */
export async function readToEnd(answers: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const _ of answers) count++;
  return count;
}

/** The sums of all chunks, and the indexes and reasons of what was refused. */
export function summarize(chunks: readonly (CommittedChunk | undefined)[]) {
  const sum = { inserted: 0, existing: 0, refused: {} as Record<string, string> };
  for (const chunk of chunks) {
    sum.inserted += chunk!.insertedCount;
    sum.existing += chunk!.existingCount;
    for (const { index, status } of chunk!.refused) {
      sum.refused[String(index)] = String(toRowFailure(status!).reason);
    }
  }
  return sum;
}

/** Reads the error of a row as toFailure() reads that of a call. */
export function toRowFailure({ code, message, details }: Status): Failure {
  const error = new ConnectError(message, code);
  error.details = details.map(({ typeUrl, value }) => ({ type: typeUrl.replace(/^.*\//, ""), value }));
  return toFailure(error);
}

/** Whether the chunks follow one another without a gap from the first index to the last. */
export function expectGapless(
  chunks: readonly (CommittedChunk | undefined)[],
  first: bigint,
  last: bigint,
): boolean {
  let next = first;
  for (const chunk of chunks) {
    if (chunk!.firstIndex !== next || chunk!.lastIndex < next) return false;
    next = chunk!.lastIndex + 1n;
  }
  return next === last + 1n;
}

/** Violations of what must hold whatever happened: totals, counts, positions, histories and stock. */
export async function readViolations(shop: Shop): Promise<string[]> {
  const rows = await execute<{ what: string }>(shop.connection, violations);
  return rows.map(({ what }) => what);
}

const violations = `
  select 'order ' || o.id || ' has a wrong total or count' as what
  from orders o left join (
    select order_id, count(*) as items, sum(quantity * unit_price) as total, max(position) as last,
      count(distinct position) as positions
    from order_items group by order_id
  ) i on i.order_id = o.id
  where o.total <> coalesce(i.total, 0) or o.item_count <> coalesce(i.items, 0)
    or i.positions <> i.items or i.last <> i.items - 1
  union all
  select 'order ' || o.id || ' has a gap in its history'
  from orders o left join (
    select order_id, count(*) as events, max(version) as last from order_events group by order_id
  ) e on e.order_id = o.id
  where e.events is distinct from o.version or e.last is distinct from o.version
  union all
  select 'product ' || p.id || ' has ' || p.on_hand || ' and gave ' || coalesce(t.quantity, 0)
  from products p left join (
    select i.product_id, sum(i.quantity) as quantity from order_items i join orders o on o.id = i.order_id
    where o.reserves_stock and o.status <> 'cancelled' group by i.product_id
  ) t on t.product_id = p.id
  where p.on_hand + coalesce(t.quantity, 0) <> (
    select coalesce(sum(delta), 0) from stock_movements where product_id = p.id
  )`;

export async function countOrders(shop: Shop): Promise<number> {
  const [row] = await execute<{ count: string }>(shop.connection, "select count(*) as count from orders");
  return Number(row!.count);
}

/** Calls with the client of @grpc/grpc-js, what most services in Node use. */
export function grpcJsImports(shop: Shop) {
  const client = new grpc.Client(`127.0.0.1:${shop.server.grpc.port}`, grpc.credentials.createInsecure());
  const { importOrders, ingestOrders } = OrderService.method;
  const path = (name: string): string => `/${OrderService.typeName}/${name}`;
  return {
    [Symbol.dispose]: () => client.close(),
    importOrders: (request: MessageInitShape<typeof ImportOrdersRequestSchema>) =>
      client.makeServerStreamRequest<typeof request, ImportOrdersResponse>(
        path(importOrders.name),
        (init) => Buffer.from(toBinary(importOrders.input, create(importOrders.input, init))),
        (bytes) => fromBinary(importOrders.output, bytes),
        request,
      ),
    ingestOrders: (options: grpc.CallOptions = {}) =>
      client.makeBidiStreamRequest<MessageInitShape<typeof IngestOrdersRequestSchema>, IngestOrdersResponse>(
        path(ingestOrders.name),
        (init) => Buffer.from(toBinary(ingestOrders.input, create(ingestOrders.input, init))),
        (bytes) => fromBinary(ingestOrders.output, bytes),
        options,
      ),
  };
}

/** Orders of one lamp each, and the ids of all. */
export async function givenOrders(shop: Shop, count: number, stockPolicy: StockPolicy = StockPolicy.RESERVE) {
  const [ada, lamp] = [await shop.user(), await shop.product(1_000_000n)];
  const orders = drafts(ada.id, lamp, count).map((draft) => ({ ...draft, stockPolicy }));
  await readAll(shop.orders.importOrders({ orders }));
  const listed = await shop.orders.listOrders({ userId: ada.id, pageSize: 1_000 });
  return { ada, lamp, ids: listed.orders.map(({ id }) => id) };
}
