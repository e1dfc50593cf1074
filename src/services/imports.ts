import type { DescMessage, Message, MessageInitShape } from "@bufbuild/protobuf";
import type { Call, Service } from "../call.ts";
import { within, type Database } from "../db/engine/database.ts";
import type { DomainError } from "../errors.ts";
import { deriveId } from "../db/ids.ts";
import { beginImport, type ImportAttempt } from "../db/orders/import-attempts.ts";
import { importItems, type ItemDraft } from "../db/orders/import-items.ts";
import { importOrders } from "../db/orders/import-orders.ts";
import type { RowOutcome } from "../db/outcome.ts";
import { locksOf, type OrderDraft } from "../db/orders/order-drafts.ts";
import { mutate } from "../db/engine/mutate.ts";
import type { Run } from "../db/engine/statement.ts";
import {
  OrderDraftSchema,
  OrderItemDraftSchema,
  type CommittedChunkSchema,
  type IngestOrdersRequest,
  type OrderDraft as OrderDraftMessage,
  type OrderItemDraft,
  type OrderService,
} from "../gen/commerce/order/v1/order_service_pb.ts";
import type { StatusSchema } from "../gen/google/rpc/status_pb.ts";
import type { Chunk, RowKind } from "./chunks.ts";
import { importChunks } from "./import-chunks.ts";
import { parseDraft } from "./order-drafts.ts";
import { parseMoney, toId } from "./parse.ts";
import type { Bounds } from "./row-buffer.ts";

/** The importing methods of the order service. */
export type ImportMethod = "importOrders" | "importOrderItems" | "ingestOrders";

/** Tools that depend on the contract and the transport, which services do not know. */
export type RowTools = {
  /** Throws a DomainError for a message that breaks a rule of the contract. */
  readonly check: (schema: DescMessage, message: Message) => void;
  /** Converts the error of a row to its message. */
  readonly toStatus: (error: DomainError) => MessageInitShape<typeof StatusSchema>;
  /** Is told of each chunk that was committed, for metrics. */
  readonly onChunk?: (method: ImportMethod, chunk: Chunk) => void;
};

/**
 * A chunk of 1000 orders with three items each takes a tenth of a second, during which its locked rows block
 * others; so does one of 2000 items. With half of that, commits and round trips cost up to a fifth of the
 * speed. Lines bound the bytes, some 250 each.
 */
const ordersMax: Bounds = { rowsMax: 1_000, weightMax: 4_000 };
const itemsMax: Bounds = { rowsMax: 2_000, weightMax: 4_000 };

type OrderRows = RowKind<OrderDraftMessage, OrderDraft>;

/**
 * The longest that an attempt at an import can take, in days: one with all of its rows in a request has a
 * deadline of a day at most. A stream may have none, and is ended then.
 */
const requestDaysMax = 2;
const streamDaysMax = 30;

/** Implements the importing methods of the order service. A chunk takes at most `chunkMsMax` milliseconds. */
export function importService(
  database: Database,
  { check, ...tools }: RowTools,
  chunkMsMax: number,
): Pick<Service<typeof OrderService>, ImportMethod> {
  // IngestOrders derives the same ids as ImportOrders, so that either can resume an import.
  const orders = ({ principal }: Call, requestId: string, daysMax?: number): OrderRows => ({
    chunkMax: ordersMax,
    chunkMsMax,
    parse(draft, index) {
      check(OrderDraftSchema, draft);
      // Refused rows are decided anew when the import is repeated.
      return parseDraft(draft, { id: deriveId(principal, "ImportOrders", requestId, index), refusalMs: 0 });
    },
    weigh: ({ items }) => items.length,
    locksOf,
    write: createWriter(database, importOrders, toImportId(principal, "ImportOrders", requestId), daysMax),
  });
  const items = ({ principal }: Call, requestId: string): RowKind<OrderItemDraft, ItemDraft> => ({
    chunkMax: itemsMax,
    chunkMsMax,
    parse(draft, index) {
      check(OrderItemDraftSchema, draft);
      return parseItem(draft, deriveId(principal, "ImportOrderItems", requestId, index));
    },
    weigh: () => 1,
    locksOf: ({ orderId }) => [orderId],
    write: createWriter(database, importItems, toImportId(principal, "ImportOrderItems", requestId)),
  });

  const committed = announce(tools);
  return {
    async *importOrders(request, call) {
      const source = { ...request, batches: once(call.rowsOf(request) as Rows<OrderDraftMessage>) };
      for await (const chunk of importChunks(orders(call, request.requestId), source, call))
        yield { chunk: committed("importOrders", chunk) };
    },

    async *importOrderItems(request, call) {
      const source = { ...request, batches: once(call.rowsOf(request) as Rows<OrderItemDraft>) };
      for await (const chunk of importChunks(items(call, request.requestId), source, call))
        yield { chunk: committed("importOrderItems", chunk) };
    },

    async *ingestOrders(requests, call) {
      const sum = { insertedCount: 0n, existingCount: 0n, refusedCount: 0n };
      const iterator = requests[Symbol.asyncIterator]();
      const { value: first } = await iterator.next();
      if (first !== undefined) {
        const source = { ...first, batches: continueFrom(call, first, iterator) };
        for await (const chunk of importChunks(orders(call, first.requestId, streamDaysMax), source, call)) {
          sum.insertedCount += BigInt(chunk.insertedCount);
          sum.existingCount += BigInt(chunk.existingCount);
          sum.refusedCount += BigInt(chunk.refused.length);
          yield { answer: { case: "chunk", value: committed("ingestOrders", chunk) } };
        }
      }
      yield { answer: { case: "summary", value: sum } };
    },
  };
}

/** What tells of a chunk that was committed, and makes its message. */
function announce({ toStatus, onChunk }: Omit<RowTools, "check">) {
  return (method: ImportMethod, chunk: Chunk): MessageInitShape<typeof CommittedChunkSchema> => {
    onChunk?.(method, chunk);
    return toMessage(chunk, toStatus);
  };
}

/** The type of rows that are not decoded yet, as the contract has it. */
type Rows<Draft> = Iterable<Draft | Error>;

/** The id of an import, which its attempts share. */
function toImportId(principal: string, method: string, requestId: string): string {
  return deriveId(principal, `${method}/attempt`, requestId);
}

/** Writes the chunks of one attempt at an import, which begins with the first of them. */
function createWriter<Row>(
  database: Database,
  write: (run: Run, rows: readonly Row[], attempt: ImportAttempt) => Promise<RowOutcome[]>,
  importId: string,
  daysMax = requestDaysMax,
): RowKind<never, Row>["write"] {
  let begun: Promise<ImportAttempt> | undefined;
  return async (deadline, rows) => {
    // Whether it has begun is of no interest where it is not known: it writes nothing then.
    begun ??= beginImport(within(database, deadline), importId, daysMax);
    const attempt = await begun.catch((error: unknown) => {
      // The chunk may be sent again, in halves.
      begun = undefined;
      throw error;
    });
    return mutate(database, deadline, (run) => write(run, rows, attempt), undefined);
  };
}

/** Parses an item to add to an order. */
function parseItem({ orderId, item }: OrderItemDraft, id: string): ItemDraft {
  const { productId, quantity, unitPrice } = item!;
  const price = parseMoney("item.unit_price", unitPrice!);
  return {
    id,
    orderId: toId(orderId),
    productId: toId(productId),
    quantity,
    unitPrice: price.amount,
    currencyCode: price.currencyCode,
  };
}

async function* once<T>(batch: T): AsyncGenerator<T> {
  yield batch;
}

/** Yields the orders of a stream whose first message has been read. */
async function* continueFrom(
  { rowsOf }: Call,
  first: IngestOrdersRequest,
  iterator: AsyncIterator<IngestOrdersRequest>,
): AsyncGenerator<Rows<OrderDraftMessage>> {
  const rows = (request: IngestOrdersRequest) => rowsOf(request) as Rows<OrderDraftMessage>;
  try {
    yield rows(first);
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield rows(next.value);
  } finally {
    await iterator.return?.();
  }
}

function toMessage(
  { firstIndex, lastIndex, insertedCount, existingCount, refused }: Chunk,
  toStatus: RowTools["toStatus"],
): MessageInitShape<typeof CommittedChunkSchema> {
  return {
    firstIndex: BigInt(firstIndex),
    lastIndex: BigInt(lastIndex),
    insertedCount,
    existingCount,
    refused: refused.map(({ index, error }) => ({ index: BigInt(index), status: toStatus(error) })),
  };
}
