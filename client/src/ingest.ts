import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { CallOptions } from "@connectrpc/connect";
import {
  type IngestOrdersRequestSchema,
  type IngestOrdersResponse,
  IngestOrdersResponseSchema,
  OrderService,
} from "./gen/commerce/order/v1/order_service_pb.ts";
import { orAborted } from "./clock.ts";
import { neverBegun } from "./errors.ts";
import { createRequestId } from "./request-id.ts";
import { type Importing, resume } from "./resume.ts";
import { createUnanswered } from "./unanswered.ts";

type Request = MessageInitShape<typeof IngestOrdersRequestSchema>;

/**
 * Places orders for as long as the requests come, and yields the answers: chunks, and at the end the
 * summary of all attempts. Requests are read as they can be sent; orders are kept until they have been
 * answered.
 */
export async function* ingest(
  importing: Importing,
  requests: AsyncIterable<Request>,
  options: CallOptions = {},
): AsyncGenerator<IngestOrdersResponse> {
  const sums = { insertedCount: 0n, existingCount: 0n, refusedCount: 0n };
  const source = requests[Symbol.asyncIterator]();
  try {
    const first = await orAborted(source.next(), options.signal, neverBegun);
    const { requestId = "", firstIndex = 0n, stopOnError = false } = first.done ? {} : first.value;
    const head = { requestId: requestId === "" ? createRequestId() : requestId, stopOnError };
    const unanswered = createUnanswered(first, source, firstIndex);
    const rows = {
      requestId: head.requestId,
      wait: unanswered.wait,
      isWaiting: unanswered.isWaiting,
      expectReadable: unanswered.expectReadable,
      acknowledge: unanswered.acknowledge,
      async *requests() {
        for await (const { orders, index } of unanswered.read()) yield { ...head, firstIndex: index, orders };
      },
      chunkOf: ({ answer }: IngestOrdersResponse) => (answer.case === "chunk" ? answer.value : undefined),
    };
    for await (const answer of resume(importing, OrderService.method.ingestOrders, rows, options)) {
      const chunk = rows.chunkOf(answer);
      if (chunk === undefined) continue;
      sums.insertedCount += BigInt(chunk.insertedCount);
      sums.existingCount += BigInt(chunk.existingCount);
      sums.refusedCount += BigInt(chunk.refused.length);
      yield answer;
    }
    yield create(IngestOrdersResponseSchema, { answer: { case: "summary", value: sums } });
  } finally {
    // Not awaited: a source that is being read answers only when it has something.
    source.return?.().catch(() => {});
  }
}
