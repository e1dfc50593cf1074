import { setTimeout as delay } from "node:timers/promises";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { Code, type CallOptions, type Client } from "@connectrpc/connect";
import type { CommittedChunk, OrderService } from "../../src/gen/commerce/order/v1/order_service_pb.ts";
import { ErrorInfoSchema } from "../../src/gen/google/rpc/error_details_pb.ts";
import type { Acknowledge, Chunk, Draft, Import, ItemDraft } from "./history.ts";
import { toItems, toPolicy, type Part } from "./messages.ts";

/** Reads the answers of an import to its end, and tells of each chunk. */
export async function runImport(
  client: Client<typeof OrderService>,
  request: Import,
  options: CallOptions,
  acknowledge: Acknowledge,
): Promise<Part> {
  const { requestId, stopOnError } = request;
  const head = { requestId, stopOnError, firstIndex: BigInt(request.firstIndex) };
  const tell = (chunk: CommittedChunk | undefined): void => acknowledge(toChunk(chunk!));
  switch (request.method) {
    case "ImportOrders": {
      const message = { ...head, orders: request.rows.map(toOrderDraft) };
      for await (const { chunk } of client.importOrders(message, options)) tell(chunk);
      return {};
    }
    case "ImportOrderItems": {
      const message = { ...head, items: request.rows.map(toItemDraft) };
      for await (const { chunk } of client.importOrderItems(message, options)) tell(chunk);
      return {};
    }
    case "IngestOrders": {
      let part: Part = {};
      for await (const { answer } of client.ingestOrders(toMessages(head, request.rows), options)) {
        if (answer.case === "chunk") tell(answer.value);
        if (answer.case !== "summary") continue;
        const { insertedCount, existingCount, refusedCount } = answer.value;
        const [inserted, existing, refused] = [insertedCount, existingCount, refusedCount].map(Number);
        part = { summary: { inserted: inserted!, existing: existing!, refused: refused! } };
      }
      return part;
    }
    default:
      return request satisfies never;
  }
}

/** Less than a chunk takes: some messages are chunks of their own, and some share one. */
const pauseMs = 2;
const messageRowsMax = 4;

/** Sends messages of some rows each, and one where there is no row left. */
async function* toMessages<Head>(head: Head, rows: readonly Draft[]) {
  for (let from = 0, count = 1; from === 0 || from < rows.length; count = (count % messageRowsMax) + 1) {
    if (from > 0) await delay(pauseMs);
    yield { ...head, orders: rows.slice(from, from + count).map(toOrderDraft) };
    from += count;
  }
}

function toOrderDraft({ userId, lines, reserves }: Draft) {
  return { userId, items: toItems(lines), stockPolicy: toPolicy(reserves) };
}

function toItemDraft({ orderId, line }: ItemDraft) {
  return { orderId, item: toItems([line])[0]! };
}

function toChunk({
  firstIndex,
  lastIndex,
  insertedCount,
  existingCount,
  refused,
}: CommittedChunk): Omit<Chunk, "returned"> {
  return {
    firstIndex: Number(firstIndex),
    lastIndex: Number(lastIndex),
    inserted: insertedCount,
    existing: existingCount,
    refused: refused.map(({ index, status }) => {
      const infos = status!.details.flatMap((detail) => anyUnpack(detail, ErrorInfoSchema) ?? []);
      return { index: Number(index), code: Code[status!.code]!, reason: infos[0]?.reason ?? "" };
    }),
  };
}
