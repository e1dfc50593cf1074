import type {
  DescMessage,
  DescMethodServerStreaming,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import type { CallOptions } from "@connectrpc/connect";
import { createRequestId } from "./request-id.ts";
import { type Importing, resume, type Rows } from "./resume.ts";

/** Rows, the first of which has an index within its import. */
type Part<Row> = {
  readonly requestId?: string;
  readonly firstIndex?: bigint;
  readonly rows: readonly Row[];
};

/**
 * Imports the rows of a request and yields the answers: one for each chunk, over as many attempts as it
 * takes.
 */
export function importRows<I extends DescMessage, O extends DescMessage, Row>(
  importing: Importing,
  method: DescMethodServerStreaming<I, O>,
  { requestId = "", firstIndex = 0n, rows }: Part<Row>,
  {
    toRequest,
    chunkOf,
  }: { readonly toRequest: (rest: Required<Part<Row>>) => MessageInitShape<I> } & Pick<Rows<I, O>, "chunkOf">,
  options: CallOptions = {},
): AsyncGenerator<MessageShape<O>> {
  const id = requestId === "" ? createRequestId() : requestId;
  let answered = 0;
  let isBegun = false;
  const source: Rows<I, O> = {
    requestId: id,
    // A request without rows is made once, like any other.
    wait: async () => !isBegun || answered < rows.length,
    async *requests() {
      isBegun = true;
      yield toRequest({
        rows: rows.slice(answered),
        firstIndex: firstIndex + BigInt(answered),
        requestId: id,
      });
    },
    chunkOf,
    acknowledge: (lastIndex) => void (answered = Number(lastIndex - firstIndex) + 1),
    isWaiting: () => answered < rows.length,
    expectReadable: () => {},
  };
  return resume(importing, method, source, options);
}
