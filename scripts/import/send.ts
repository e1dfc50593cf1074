import type { Client } from "@connectrpc/connect";
import type {
  CommittedChunk,
  OrderDraft,
  OrderItemDraft,
  OrderService,
} from "../../src/gen/commerce/order/v1/order_service_pb.ts";
import type { Queue } from "./queue.ts";

// The longest that the service allows; an import that takes longer goes on in another call.
const timeoutMs = 3_600_000;

/** Sends orders in a stream and yields what was committed. */
export async function* sendOrders(
  client: Client<typeof OrderService>,
  queue: Queue<OrderDraft>,
  requestId: string,
): AsyncGenerator<CommittedChunk> {
  const firstIndex = BigInt(queue.nextIndex);
  const requests = async function* () {
    for await (const rows of queue.sendAll())
      yield { orders: rows.map(({ message }) => message), requestId, firstIndex };
  };
  for await (const { answer } of client.ingestOrders(requests(), { timeoutMs }))
    if (answer.case === "chunk") yield answer.value;
}

/** Sends items, a request after the other, and yields what was committed. */
export async function* sendItems(
  client: Client<typeof OrderService>,
  queue: Queue<OrderItemDraft>,
  requestId: string,
): AsyncGenerator<CommittedChunk> {
  let firstIndex = BigInt(queue.nextIndex);
  for await (const rows of queue.sendAll()) {
    const request = { items: rows.map(({ message }) => message), requestId, firstIndex };
    firstIndex += BigInt(rows.length);
    for await (const { chunk } of client.importOrderItems(request, { timeoutMs })) if (chunk) yield chunk;
  }
}
