import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError, type Client } from "@connectrpc/connect";
import type {
  CommittedChunk,
  OrderDraft,
  OrderItemDraft,
  OrderService,
} from "../../src/gen/commerce/order/v1/order_service_pb.ts";
import { ErrorInfoSchema } from "../../src/gen/google/rpc/error_details_pb.ts";
import type { Queue } from "./queue.ts";

/** A call that hangs ends after an hour, like any longer one; the import continues in another call. */
const timeoutMs = 3_600_000;

/** Sends orders in a stream and yields the committed chunks. */
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

/** Sends items, one request after the other, and yields the committed chunks. */
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

// Transient failures: a server that restarts or is overloaded, an import that takes longer than a call, and a
// broken connection, which is reported as ABORTED or, if nothing was cancelled, as CANCELLED.
const passing = new Set([
  Code.Unavailable,
  Code.ResourceExhausted,
  Code.DeadlineExceeded,
  Code.Aborted,
  Code.Canceled,
]);
/**
 * Consecutive calls without progress: with the waits between them six seconds, in which a server restarts.
 */
const failuresMax = 6;
const waitMsBase = 100;

/** Runs calls until all rows are answered, each from where the last one stopped. */
export async function sendUntilAnswered(
  queue: Queue<unknown>,
  send: () => AsyncIterable<CommittedChunk>,
  take: (chunk: CommittedChunk) => Promise<void>,
): Promise<void> {
  let failures = 0;
  // No call is made before there are rows for it: standard input may be slow.
  while (await queue.hasRows()) {
    let taking: Promise<void> | undefined;
    try {
      for await (const chunk of send()) {
        await (taking = take(chunk));
        failures = 0;
      }
      if (!queue.isEmpty)
        throw new ConnectError("the call has ended before all rows were answered", Code.Aborted);
    } catch (error) {
      // Failing to write the resume file is not the call's failure.
      await taking;
      // A server may end a call that waits for more rows.
      if (queue.isEmpty && isPassing(error)) continue;
      failures += 1;
      if (!isPassing(error) || failures > failuresMax) throw error;
      await sleep(waitMsBase * 2 ** (failures - 1));
    }
  }
}

function isPassing(error: unknown): boolean {
  if (!(error instanceof ConnectError) || !passing.has(error.code)) return false;
  // Two commands that import one file would end each other's calls for ever.
  const lasting = new Set(["MESSAGE_TOO_LARGE", "IMPORT_SUPERSEDED"]);
  return !error.findDetails(ErrorInfoSchema).some(({ reason }) => lasting.has(reason));
}
