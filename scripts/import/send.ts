import type { CommerceClient, CommittedChunk, OrderDraft, OrderItemDraft } from "../../client/src/index.ts";
import type { Queue } from "./queue.ts";

/** Sends orders in a stream and yields the committed chunks. */
export async function* sendOrders(
  { orders }: CommerceClient,
  queue: Queue<OrderDraft>,
  requestId: string,
): AsyncGenerator<CommittedChunk> {
  const firstIndex = BigInt(queue.nextIndex);
  const requests = async function* () {
    for await (const rows of queue.read())
      yield { orders: rows.map(({ message }) => message), requestId, firstIndex };
  };
  for await (const { answer } of orders.ingestOrders(requests()))
    if (answer.case === "chunk") yield answer.value;
}

/** Sends items, one request after the other, and yields the committed chunks. */
export async function* sendItems(
  { orders }: CommerceClient,
  queue: Queue<OrderItemDraft>,
  requestId: string,
): AsyncGenerator<CommittedChunk> {
  let firstIndex = BigInt(queue.nextIndex);
  for await (const rows of queue.read()) {
    const request = { items: rows.map(({ message }) => message), requestId, firstIndex };
    firstIndex += BigInt(rows.length);
    for await (const { chunk } of orders.importOrderItems(request)) if (chunk) yield chunk;
  }
}
